/** Our worker with the tests' programs: `node worker.ts '{"peer": "cpu", …}'`. */
import { serve } from '../worker/serve.ts';
import type { Task } from '../worker/protocol.ts';
import { tinyPrograms } from './tiny-program.ts';

await serve(JSON.parse(process.argv[2] as string) as Task, tinyPrograms);
