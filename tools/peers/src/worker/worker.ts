/** A peer's process as the comparison sees it: starts it, asks it, ends it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';
import {
  MissingError,
  type Answer,
  type BuildAnswer,
  type Request,
  type StartAnswer,
  type TimeAnswer,
} from './protocol.ts';

/** A program to start and its surroundings. */
export interface Command {
  readonly words: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
}

/** A worker. Only one of all workers should be asked at a time. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #answers: Interface;
  readonly #waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];
  #printed = '';
  #ended: Error | undefined;

  constructor(command: Command) {
    const [program, ...words] = command.words;
    this.#child = spawn(program, words, {
      env: { ...process.env, ...command.env },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    const keep = (chunk: Buffer): void => {
      this.#printed = (this.#printed + chunk.toString()).slice(-4000);
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
    this.#child.stdin?.on('error', () => {}); // its end is reported by 'close'
    this.#answers = createInterface({ input: this.#child.stdio[3] as Readable });
    this.#answers.on('line', (line) => this.#waiting.shift()?.resolve(JSON.parse(line) as Answer));
    this.#child.on('error', (error) => this.#end(new MissingError(`it cannot be started: ${error.message}`)));
    this.#child.on('close', (code, signal) => {
      const tail = this.#printed.trim().split('\n').slice(-8).join('\n');
      this.#end(new Error(`its process ended (${signal ?? code})${tail === '' ? '' : `:\n${tail}`}`));
    });
  }

  /**
   * Waits until it is ready to build; several may be asked at once, before anything is timed.
   *
   * @returns its version
   * @throws MissingError if the peer cannot run here.
   */
  async start(seconds: number): Promise<string> {
    return (await this.#ask<StartAnswer>({ do: 'start' }, seconds)).version;
  }

  /**
   * Builds its program.
   *
   * @throws MissingError if the peer cannot, Error if it failed.
   */
  build(checks: number, seconds: number): Promise<BuildAnswer> {
    return this.#ask<BuildAnswer>({ do: 'build', checks }, seconds);
  }

  /** Times batches of `calls` calls for some seconds; at least one batch. */
  async time(seconds: number, calls: number, limit: number): Promise<readonly number[]> {
    return (await this.#ask<TimeAnswer>({ do: 'time', seconds, calls }, limit)).times;
  }

  /** Ends the process at once. */
  end(): void {
    this.#child.kill('SIGKILL');
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#ended);
  }

  async #ask<T extends Answer>(request: Request, limit: number): Promise<T> {
    if (this.#ended !== undefined) throw this.#ended;
    let timer: NodeJS.Timeout | undefined;
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        this.#waiting.push({ resolve, reject });
        timer = setTimeout(() => {
          reject(new Error(`no answer to '${request.do}' in ${limit} s`));
          this.end();
        }, limit * 1000);
        this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
      });
      if ('missing' in answer) throw new MissingError(answer.missing);
      if ('error' in answer) throw new Error(answer.error);
      return answer as T;
    } finally {
      clearTimeout(timer);
    }
  }
}
