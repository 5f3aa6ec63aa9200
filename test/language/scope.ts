import { type TestContext, after } from 'node:test'

/** Where clean-up is registered: a test's context, or {@link fileScope} for several tests. */
export interface Scope {
  after(action: () => Promise<void>): void
}

/** A scope that ends with the file, or with the suite that makes it; what came last ends first. */
export function fileScope(): Scope {
  const stack = new AsyncDisposableStack()
  // Registered now: inside of a hook it would belong to that hook.
  after(async () => stack.disposeAsync())
  return { after: (action) => stack.defer(action) }
}

const scopes = new WeakMap<TestContext, Scope>()

/** A scope that ends with a test; what came last ends first, so that a gateway ends before its backends. */
export function scopeOf(t: TestContext): Scope {
  const known = scopes.get(t)
  if (known !== undefined) return known
  const stack = new AsyncDisposableStack()
  t.after(async () => stack.disposeAsync())
  const scope: Scope = { after: (action) => stack.defer(action) }
  scopes.set(t, scope)
  return scope
}

/** What a backend contributes to the gateway's configuration, apart from its name. */
export type BackendSettings = Readonly<Record<string, unknown>>

/** Anything that can stand behind the gateway. */
export interface Configured {
  /** As it is written in the configuration file. */
  readonly settings: BackendSettings
}
