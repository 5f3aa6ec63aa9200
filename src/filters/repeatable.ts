import type { ResilienceConfig } from '../config/resilience.ts'
import type { Permitted } from '../pipeline/call.ts'
import { member, rawOf, scanJson } from '../protocol/json.ts'
import { META, TASKS } from '../protocol/meta.ts'
import type { Catalog } from '../routing/catalog.ts'
import type { Entry } from '../routing/entry.ts'
import type { ToolPolicies } from './tool-policies.ts'

/** Decides which calls may run twice. */
export interface Repeatable {
  /** Whether calls like this one may run twice at all. Cheap: it is asked before every call. */
  mayBe(call: Permitted): boolean
  /**
   * Whether this very call may: not where it goes on from an input request, nor where it may leave a task behind.
   * To be asked only of what {@link Repeatable.mayBe}.
   */
  is(call: Permitted): boolean
}

/** Methods that only read (2026-07-28, server/resources, server/prompts, server/utilities/completion; ext-tasks). */
const READING: ReadonlySet<string> = new Set([
  'resources/read',
  'prompts/get',
  'completion/complete',
  'tasks/get',
])

/** What deciding needs. */
export interface RepeatablePorts {
  readonly policies: ToolPolicies
  readonly catalog: Pick<Catalog, 'peek'>
  readonly backend: string
}

/**
 * Prepares the decision for one backend: a tool may run twice if the operator says so, or if its own annotations do
 * and the operator believes them. Annotations are hints that "MUST be considered untrusted" (2026-07-28, server/tools).
 */
export function createRepeatable(
  { tools, trustAnnotations }: ResilienceConfig,
  { policies, catalog, backend }: RepeatablePorts,
): Repeatable {
  const hinted = new WeakMap<Entry, boolean>()
  const scope = { kind: 'backend', backend } as const
  const isHinted = (tool: string): boolean => {
    const entry = catalog.peek('tools', scope, tool)?.entry
    if (entry === undefined) return false
    const known = hinted.get(entry) ?? hintsAt(entry.text)
    hinted.set(entry, known)
    return known
  }
  const isTool = (name: string | undefined): boolean => {
    if (name === undefined) return false
    return policies.of(name)?.idempotent ?? (trustAnnotations && isHinted(name))
  }
  const knowsTools = tools.length > 0 || trustAnnotations
  return {
    mayBe({ method, permit: { target } }) {
      if (method !== 'tools/call') return READING.has(method)
      return knowsTools && target.kind === 'one' && isTool(target.name)
    },
    is: ({ method, message }) => {
      const { params, text } = message
      if (member(params, 'requestState') !== undefined || member(params, 'inputResponses') !== undefined)
        return false
      if (method !== 'tools/call') return true
      const capabilities = member(member(params, '_meta'), META.clientCapabilities)
      return capabilities === undefined || !rawOf(text, capabilities).includes(JSON.stringify(TASKS))
    },
  }
}

/** `readOnlyHint`, or `idempotentHint` for a tool that changes something. */
function hintsAt(text: string): boolean {
  const annotations = member(scanJson(text, { detail: 2, maxDepth: Infinity }), 'annotations')
  const says = (name: string): boolean => {
    const node = member(annotations, name)
    return node !== undefined && node.kind !== 'string' && rawOf(text, node) === 'true'
  }
  return says('readOnlyHint') || says('idempotentHint')
}
