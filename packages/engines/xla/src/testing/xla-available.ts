/** Whether tests can run on `xla:cpu`; says once why not. */
import { xla } from '../provider.ts';

let known: Promise<boolean> | undefined;

/** True with a CPU plugin; false, after a printed reason, without one. */
export function xlaAvailable(): Promise<boolean> {
  known ??= xla.probe('xla:cpu').then((probe) => {
    if (!probe.available) process.stderr.write(`skipped: xla:cpu is not available, ${probe.reason} ${probe.remedy}\n`);
    return probe.available;
  });
  return known;
}
