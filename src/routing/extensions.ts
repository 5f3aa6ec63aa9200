import type { BackendIdentity } from '../backend/backend.ts'
import { member, valueOf } from '../protocol/json.ts'
import type { RequestMessage } from '../protocol/message.ts'
import { META, TASKS } from '../protocol/meta.ts'

/** Settings by extension, as both sides declare them in `capabilities.extensions`. */
export type Extensions = Readonly<Record<string, unknown>>

const NONE: Extensions = {}

/** MCP Apps (2026-01-26): needs nothing of a gateway but that references are kept. */
const APPS = 'io.modelcontextprotocol/ui'

/** What clients of the aggregate can use, because the gateway knows what has to be rewritten. */
const AGGREGATED: readonly string[] = [APPS, TASKS]

/** The extensions that the client declares with this request. */
export function declaredExtensions(message: RequestMessage): Extensions {
  const capabilities = member(member(message.params, '_meta'), META.clientCapabilities)
  return capabilities === undefined ? NONE : extensionsOf(valueOf(message.text, capabilities))
}

/** The extensions in the capabilities of either side. */
function extensionsOf(capabilities: unknown): Extensions {
  if (!isObject(capabilities)) return NONE
  const { extensions } = capabilities
  return isObject(extensions) ? extensions : NONE
}

/** What discovery says of one backend's extensions. */
export function ownExtensions(identity: BackendIdentity | undefined): Extensions {
  return extensionsOf(identity?.capabilities)
}

/** What discovery says of the extensions of several backends: those that the gateway relays, with joined settings. */
export function unionOfExtensions(all: readonly Extensions[]): Extensions {
  const union: Record<string, unknown> = {}
  for (const name of AGGREGATED) {
    const settings = all.flatMap((extensions) => (Object.hasOwn(extensions, name) ? [extensions[name]] : []))
    if (settings.length > 0) union[name] = settings.reduce(joined)
  }
  return union
}

/** Lists of settings are united, of anything else the first counts. */
function joined(first: unknown, second: unknown): unknown {
  if (isList(first) && isList(second)) return [...new Set([...first, ...second])]
  if (!isObject(first) || !isObject(second)) return first
  const result: Record<string, unknown> = { ...second, ...first }
  for (const key in first) if (Object.hasOwn(second, key)) result[key] = joined(first[key], second[key])
  return result
}

/** Methods of some revision of the protocol itself, and notifications: no extension owns them. */
const CORE =
  /^(?:initialize|ping|completion\/complete|logging\/setLevel|resources\/(?:un)?subscribe|roots\/list|sampling\/createMessage|elicitation\/create|(?:tools|prompts|resources|tasks|server|subscriptions|notifications)\/.*)$/

/**
 * Whether a method that the gateway does not know goes to the backend of a single-backend route: both sides have
 * declared the same extension, which may define it. Methods of the protocol itself never do.
 */
export function isExtensionCall(message: RequestMessage, identity: BackendIdentity | undefined): boolean {
  if (CORE.test(message.method)) return false
  const offered = extensionsOf(identity?.capabilities)
  return Object.keys(declaredExtensions(message)).some((name) => Object.hasOwn(offered, name))
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
