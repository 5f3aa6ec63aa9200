/** JSON with spans: what a scan yields, and how its nodes are read. */

import type { JsonNode } from './json-node.ts'
import { scanJson } from './json-scan.ts'

export type * from './json-node.ts'
export { type ScanLimits, DEFAULT_MAX_DEPTH, JsonSyntaxError, scanJson } from './json-scan.ts'

/** The member of that name, if the object has one and its members were kept. */
export function member(node: JsonNode | undefined, key: string): JsonNode | undefined {
  if (node?.kind !== 'object' || node.members === undefined) return undefined
  for (const entry of node.members) if (entry.key === key) return entry.value
  return undefined
}

/** The decoded string, or undefined when the node is no string. */
export function stringOf(source: string, node: JsonNode | undefined): string | undefined {
  if (node?.kind !== 'string') return undefined
  if (node.isPlain) return source.slice(node.start + 1, node.end - 1)
  const value: unknown = JSON.parse(source.slice(node.start, node.end))
  return typeof value === 'string' ? value : undefined
}

/** The number as a double, or undefined when the node is no number. */
export function numberOf(source: string, node: JsonNode | undefined): number | undefined {
  return node?.kind === 'number' ? Number(source.slice(node.start, node.end)) : undefined
}

/**
 * The value as JSON means it. Doubles lose what they cannot hold: never write the value back.
 *
 * V8 reads a key written with an escape as another key once it has seen certain objects (nodejs/node#63785),
 * which would let a caller show a policy other arguments than the backend sees. Such values, which are
 * very rare, are put together here.
 */
export function valueOf(source: string, node: JsonNode): unknown {
  const raw = source.slice(node.start, node.end)
  if (node.kind !== 'object' && node.kind !== 'array') return JSON.parse(raw)
  if (node.escapedKeys === false) return JSON.parse(raw)
  return build(raw, scanJson(raw, { maxDepth: Infinity, detail: Infinity }))
}

function build(source: string, node: JsonNode): unknown {
  if (node.kind === 'array') return node.items?.map((item) => build(source, item))
  if (node.kind !== 'object') return JSON.parse(source.slice(node.start, node.end))
  return Object.fromEntries(node.members?.map(({ key, value }) => [key, build(source, value)]) ?? [])
}

/** What was written, to the letter. */
export function rawOf(source: string, node: JsonNode): string {
  return source.slice(node.start, node.end)
}
