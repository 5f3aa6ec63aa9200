import { member, rawOf, valueOf } from '../protocol/json.ts'
import type { RequestMessage } from '../protocol/message.ts'
import { META, TASKS } from '../protocol/meta.ts'

/** What the client of a request declared that it can do, in the legacy shape. */
export interface Declared {
  /** Exactly what is declared to a legacy backend on behalf of that client. */
  readonly capabilities: LegacyCapabilities
  /** The same as text: equal for equal sets, whatever their order. */
  readonly key: string
  /** Whether the client can be asked for anything: elicitation, sampling or roots. */
  readonly interactive: boolean
}

/** `ClientCapabilities` of 2025-11-25, as far as a modern client can mean them. */
export interface LegacyCapabilities {
  readonly elicitation?: Readonly<Record<string, unknown>>
  readonly sampling?: Readonly<Record<string, unknown>>
  readonly roots?: Readonly<Record<string, unknown>>
  readonly experimental?: Readonly<Record<string, unknown>>
  readonly extensions?: Readonly<Record<string, unknown>>
}

/** A client that declared nothing. */
export const NOTHING_DECLARED: Declared = { capabilities: {}, key: '{}', interactive: false }

/**
 * Reads the capabilities of a modern request. `roots.listChanged` has no modern equivalent and is not declared, and
 * neither is what belongs to the tasks of another era.
 */
export function declaredBy(message: RequestMessage): Declared {
  const node = member(member(message.params, '_meta'), META.clientCapabilities)
  if (node === undefined || rawOf(message.text, node) === '{}') return NOTHING_DECLARED
  const value = valueOf(message.text, node)
  return isRecord(value) ? declare(value) : NOTHING_DECLARED
}

/** The same client without what it could be asked for. */
export function withoutInput(declared: Declared): Declared {
  const { experimental, extensions } = declared.capabilities
  return declared.interactive ? declare({ experimental, extensions }) : declared
}

function declare(value: Readonly<Record<string, unknown>>): Declared {
  const { elicitation, sampling, roots, experimental, extensions } = value
  const capabilities: LegacyCapabilities = {
    ...(isRecord(elicitation) ? { elicitation } : {}),
    ...(isRecord(sampling) ? { sampling } : {}),
    ...(isRecord(roots) ? { roots: {} } : {}),
    ...(isRecord(experimental) ? { experimental } : {}),
    ...extensionsOf(extensions),
  }
  const { elicitation: elicits, sampling: samples, roots: knowsRoots } = capabilities
  const interactive = elicits !== undefined || samples !== undefined || knowsRoots !== undefined
  return { capabilities, key: canonical(capabilities), interactive }
}

function extensionsOf(value: unknown): Pick<LegacyCapabilities, 'extensions'> {
  if (!isRecord(value)) return {}
  const extensions = Object.fromEntries(Object.entries(value).filter(([name]) => name !== TASKS))
  return Object.keys(extensions).length === 0 ? {} : { extensions }
}

/** Whether the client of a request declares the tasks extension. */
export function declaresTasks(message: RequestMessage): boolean {
  const node = member(member(message.params, '_meta'), META.clientCapabilities)
  const value = node === undefined ? undefined : valueOf(message.text, node)
  return isRecord(value) && isRecord(value['extensions']) && Object.hasOwn(value['extensions'], TASKS)
}

/** JSON with sorted keys: one text for all spellings of a value. Numbers are compared as doubles. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (!isRecord(value)) return JSON.stringify(value) ?? 'null'
  const keys = Object.keys(value).toSorted()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
