/** What tests of installers need: an index on the loopback address, and archives honest or not. */
export { makeWheel, startFakeIndex, type FakeIndex } from './fake-index.ts';
export { zip, type Member } from './zip.ts';
