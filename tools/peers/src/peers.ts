/** Who takes part: our engines, TensorFlow.js's, PyTorch and JAX. One entry adds a peer. */
import { fileURLToPath } from 'node:url';
import type { Device } from './program.ts';
import type { Task } from './worker/protocol.ts';
import type { Command } from './worker/worker.ts';

/** One side of the comparison. */
export interface Peer {
  /** Its name in `--peers`, the table and the JSON. */
  readonly name: string;
  /** Whether it is ours: the numerator of the ratio. */
  readonly ours: boolean;
  /** Whether it needs Python with PyTorch or JAX. */
  readonly python: boolean;
  /** How its worker is started; the task's own `peer` is replaced by what the worker calls it. */
  command(task: Omit<Task, 'peer'>): Command;
}

/** How peers are started. */
export interface PeerOptions {
  readonly device: Device;
  /** Python with the peers' packages; undefined if there is none. */
  readonly python: string | undefined;
  /** The folder of `worker.py`. */
  readonly pythonFolder: string;
}

/** The program to start workers with: `bin.ts`, or the bundle that this file was made part of. */
const own = fileURLToPath(import.meta.url);
const self = own.endsWith('.ts') ? fileURLToPath(new URL('./bin.ts', import.meta.url)) : own;

/** A TensorFlow.js engine, by our packages. */
function engine(name: string, engine: string, ours: boolean): Peer {
  return {
    name,
    ours,
    python: false,
    command: (task) => ({
      words: [process.execPath, ...process.execArgv, self, 'worker', JSON.stringify({ ...task, peer: engine })],
      // All peers of a case share the card.
      env: { TESSERAE_GPU_MEMORY: '0.3' },
    }),
  };
}

function python(name: string, options: PeerOptions): Peer {
  return {
    name,
    ours: false,
    python: true,
    command: (task) => ({
      words: [options.python as string, `${options.pythonFolder}/worker.py`, JSON.stringify({ ...task, peer: name })],
      env: {
        // Nobody takes the whole GPU, or other threads than it was given.
        XLA_PYTHON_CLIENT_PREALLOCATE: 'false',
        OMP_NUM_THREADS: String(task.threads),
        TF_CPP_MIN_LOG_LEVEL: '2',
        PYTHONDONTWRITEBYTECODE: '1',
      },
    }),
  };
}

/** The peers of a device, ours first. */
export function peersOf(options: PeerOptions): readonly Peer[] {
  const pythons =
    options.python === undefined ? [] : ['torch', 'torch.compile', 'jax'].map((name) => python(name, options));
  return options.device === 'gpu'
    ? [engine('xla:cuda', 'xla:cuda', true), ...pythons]
    : [
        engine('xla:cpu', 'xla:cpu', true),
        ...pythons,
        engine('tfjs-node', 'tensorflow', false),
        engine('tfjs-wasm', 'wasm', false),
      ];
}
