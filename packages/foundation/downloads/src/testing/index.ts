/** What tests of installers need: an index and a registry on the loopback address, and archives honest or not. */
export { makeWheel, startFakeIndex, type FakeIndex } from './fake-index.ts';
export { startFakeRegistry, type FakeRegistry } from './fake-registry.ts';
export type { TarMember } from './tarball.ts';
export { zip, type Member } from './zip.ts';
