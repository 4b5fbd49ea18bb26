/** The part of jasmine-core that is used: it brings no types of its own. */
declare module 'jasmine-core' {
  const core: { noGlobals(): object };
  export default core;
}
