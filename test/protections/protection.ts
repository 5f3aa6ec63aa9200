/** A protection, the change that takes it away, and the test that must then fail. */
export interface Protection {
  /** What is protected against, in a few words. */
  readonly against: string
  /** The source file, from the root of the repository. */
  readonly file: string
  /** Text that stands in the file exactly once. */
  readonly find: string
  /** What stands there once the protection is gone. */
  readonly replace: string
  /** The test file, from the root of the repository. */
  readonly test: string
  /** The beginning of the name of the test that must fail. */
  readonly fails: string
}

/** The environment variable by which the runner tells {@link Protection} to the process that loses it. */
export const REMOVED = 'TOOLGATE_TEST_REMOVED_PROTECTION'
