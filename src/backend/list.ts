import type { Signal } from '../pipeline/signal.ts'
import { type JsonNode, member, numberOf, rawOf, stringOf } from '../protocol/json.ts'
import { type ResultMessage, parseMessage } from '../protocol/message.ts'
import { type ListKind, METHOD_OF_KIND } from '../protocol/methods.ts'
import type { BackendList } from './backend.ts'
import { ChannelError } from './channel.ts'
import type { Speaker } from './speaker.ts'

/** Most pages that are followed; a server that has more is lying or broken. */
const MAX_PAGES = 1000

/** Longest that a list is believed to be fresh, in milliseconds: a lying backend must not pin what it once said. */
const LONGEST_LIFE = 86_400_000

/** The list of a kind that the backend does not offer. */
const NOTHING: BackendList = { entries: [], ttlMs: 0, cacheScope: 'public', offered: false }

const CAPABILITY: Readonly<Record<ListKind, string>> = {
  tools: 'tools',
  prompts: 'prompts',
  resources: 'resources',
  resourceTemplates: 'resources',
}

/**
 * Fetches every page of a list. Freshness is that of the shortest-lived page, and one private page makes the
 * list private (2026-07-28, server/utilities/caching).
 *
 * @throws ChannelError, StaleSpeakerError or the reason of the signal
 */
export async function fetchList(
  speaker: Speaker,
  kind: ListKind,
  options: FetchListOptions,
): Promise<BackendList> {
  if (!Object.hasOwn(speaker.identity.capabilities, CAPABILITY[kind])) return NOTHING
  const method = METHOD_OF_KIND[kind]
  const entries: string[] = []
  const seen = new Set<string>()
  let ttlMs = LONGEST_LIFE
  let cacheScope: 'public' | 'private' = 'public'
  let cursor: string | undefined
  let size = 0
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await speaker.ask(method, cursor === undefined ? '' : `"cursor":${cursor}`, options.signal)
    if (answer.kind === 'error') {
      // Templates are an afterthought of many servers that do offer resources.
      if (answer.code === -32601) return page === 0 ? NOTHING : fail('stopped in the middle of its list')
      return fail(`refused ${method} with error ${answer.code}: ${answer.message.slice(0, 200)}`)
    }
    const result = readPage(answer, kind)
    size += answer.text.length
    if (size > options.maxSize) return fail(`lists ${kind} of more than ${options.maxSize} characters`)
    if (entries.length + result.entries.length > options.maxEntries)
      return fail(`lists more than ${options.maxEntries} ${kind}`)
    entries.push(...result.entries)
    ttlMs = Math.min(ttlMs, result.ttlMs)
    if (result.cacheScope === 'private') cacheScope = 'private'
    cursor = result.nextCursor
    if (cursor === undefined) return { entries, ttlMs, cacheScope, offered: true }
    if (seen.has(cursor)) return fail(`repeats a cursor of ${method}`)
    seen.add(cursor)
  }
  return fail(`has more than ${MAX_PAGES} pages of ${kind}`)
}

/** Bounds of fetching a list. */
export interface FetchListOptions {
  readonly signal: Signal
  readonly maxEntries: number
  /** Characters of all pages together. */
  readonly maxSize: number
}

interface Page {
  readonly entries: readonly string[]
  readonly ttlMs: number
  readonly cacheScope: 'public' | 'private'
  /** Raw JSON; a missing member ends the list, an empty string does not. */
  readonly nextCursor: string | undefined
}

function readPage(message: ResultMessage, kind: ListKind): Page {
  // Messages are scanned down to their result: entries lie deeper.
  const scanned = parseMessage(message.text, { detail: 3, maxDepth: Infinity })
  const list = scanned.kind === 'result' ? member(scanned.result, kind) : undefined
  const { result } = message
  if (list?.kind !== 'array') return fail(`answered without a list of ${kind}`)
  const cursor = member(result, 'nextCursor')
  return {
    entries: (list.items ?? []).filter(isObject).map((item) => rawOf(message.text, item)),
    ttlMs: Math.max(0, numberOf(message.text, member(result, 'ttlMs')) ?? 0),
    cacheScope: stringOf(message.text, member(result, 'cacheScope')) === 'public' ? 'public' : 'private',
    nextCursor: cursor?.kind === 'string' ? rawOf(message.text, cursor) : undefined,
  }
}

function isObject(node: JsonNode): boolean {
  return node.kind === 'object'
}

function fail(reason: string): never {
  throw new ChannelError({ kind: 'protocol', reason })
}
