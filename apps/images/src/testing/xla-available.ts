/** Whether tests can run on `xla:cpu`; says once why not. */
import { xla } from '@tesserae/xla';

/** True with a CPU plugin; false, after a printed reason, without one. */
export async function xlaAvailable(): Promise<boolean> {
  const probe = await xla.probe('xla:cpu');
  if (!probe.available) process.stderr.write(`skipped: xla:cpu is not available, ${probe.reason} ${probe.remedy}\n`);
  return probe.available;
}
