import type { JsonMember, JsonNode, JsonObject } from './json.ts'
import type { ResultMessage } from './message.ts'

/** A raw JSON value, or an object given member by member. */
export type RawMembers = Readonly<Record<string, string | { readonly [key: string]: string }>>

/**
 * A result message made from raw JSON members, with the nodes that a scan would have found; lists that are
 * prepared once are then not scanned again for every client. The id is a placeholder that the listener replaces.
 */
export function buildResult(members: RawMembers): ResultMessage {
  const head = '{"jsonrpc":"2.0","id":0,"result":'
  const result = buildObject(members, head.length)
  const text = `${head}${result.text}}`
  const [idStart, idEnd] = [head.indexOf('0,"result"'), head.indexOf(',"result"')]
  const id: JsonNode = { kind: 'number', start: idStart, end: idEnd, isPlain: true }
  const root: JsonObject = {
    kind: 'object',
    start: 0,
    end: text.length,
    members: [
      { key: 'jsonrpc', start: 1, value: { kind: 'string', start: 11, end: 16, isPlain: true } },
      { key: 'id', start: 17, value: id },
      { key: 'result', start: head.indexOf('"result"'), value: result.node },
    ],
  }
  return { kind: 'result', text, root, id, result: result.node }
}

function buildObject(
  members: RawMembers,
  start: number,
): { readonly text: string; readonly node: JsonObject } {
  const nodes: JsonMember[] = []
  let text = '{'
  for (const key in members) {
    const value = members[key]
    if (value === undefined) continue
    if (nodes.length > 0) text += ','
    const memberStart = start + text.length
    text += `${JSON.stringify(key)}:`
    const valueStart = start + text.length
    const built = typeof value === 'string' ? opaque(value, valueStart) : buildObject(value, valueStart)
    text += built.text
    nodes.push({ key, start: memberStart, value: built.node })
  }
  text += '}'
  return { text, node: { kind: 'object', start, end: start + text.length, members: nodes } }
}

function opaque(text: string, start: number): { readonly text: string; readonly node: JsonNode } {
  const end = start + text.length
  switch (text[0]) {
    case '{':
      return { text, node: { kind: 'object', start, end, members: undefined } }
    case '[':
      return { text, node: { kind: 'array', start, end, items: undefined } }
    case '"':
      return { text, node: { kind: 'string', start, end, isPlain: !text.includes('\\') } }
    default: {
      if (text === 'true' || text === 'false')
        return { text, node: { kind: 'boolean', start, end, isPlain: true } }
      return { text, node: { kind: 'number', start, end, isPlain: !/[.eE]/.test(text) } }
    }
  }
}
