/**
 * One installation of a plugin at a time for each user, across processes: a lock file that holds the owner's process
 * id. A lock whose owner is gone is taken over, so a killed run blocks nobody.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Runs a function while holding a lock.
 *
 * @param path the lock file
 * @param onWait called once with the owner's process id if somebody else holds it
 * @param run the work
 */
export async function withLock<T>(path: string, onWait: (owner: number) => void, run: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  for (let told = false; !(await take(path));) {
    const owner = Number(await readFile(path, 'utf8').catch(() => ''));
    if (owner > 0 && isAlive(owner)) {
      if (!told) onWait(owner);
      told = true;
      await delay(500);
    } else {
      // Empty for a moment between creation and writing; gone for good if it stays so.
      await delay(100);
      if (Number(await readFile(path, 'utf8').catch(() => '')) === owner) await rm(path, { force: true });
    }
  }
  try {
    return await run();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
