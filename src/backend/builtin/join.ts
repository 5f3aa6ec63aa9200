import { BUILTIN } from './backend.ts'
import type { BuiltinTool, ToolSource } from './tool.ts'

/** Milliseconds: built-in tools change with the process only. */
const LIFE = 3_600_000

/**
 * The tools of the gateway itself, and those of an embedder. Where both have one that clients would see by the same name,
 * that of the embedder takes its place.
 */
export function joinTools(builtin: readonly BuiltinTool[], embedded: ToolSource | undefined): ToolSource {
  if (embedded === undefined) return { ttlMs: LIFE, current: () => builtin, onChange: () => () => undefined }
  let known: { readonly of: readonly BuiltinTool[]; readonly all: readonly BuiltinTool[] } | undefined
  return {
    ttlMs: embedded.ttlMs,
    current() {
      const own = embedded.current()
      if (known?.of === own) return known.all
      const taken = new Set(own.map(({ name }) => name))
      const others = builtin.filter(({ name }) => !taken.has(name) && !taken.has(`${BUILTIN}_${name}`))
      known = { of: own, all: [...own, ...others] }
      return known.all
    },
    onChange: (listener) => embedded.onChange(listener),
  }
}
