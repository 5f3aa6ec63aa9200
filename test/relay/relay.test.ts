import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { type TestGateway, META, startGateway } from '../hostile/support/gateway.ts'
import { BACKENDS, type RelayBackend, relayBackend } from './backends.ts'
import { CLIENTS, type RelayClient, relayClient } from './clients.ts'
import { type Written, at, jsonText, membersText, objectWith, readWritten, without, written } from './json.ts'

/** Calls per cell; each cell has a seed of its own, the same in every run of the tests. */
const RUNS = 12
const SEED = 20_261_122

/** Members of `_meta` that belong to the protocol, not to those who speak it. */
const RESERVED = ['protocolVersion', 'clientCapabilities', 'clientInfo', 'logLevel', 'serverInfo'].map(
  (name) => `io.modelcontextprotocol/${name}`,
)

const REQUEST_EDITS = [
  ['id'],
  ['params', 'name'],
  ...[...RESERVED, 'progressToken'].map((key) => ['params', '_meta', key]),
]
const RESULT_EDITS = [
  ['id'],
  ...['resultType', 'ttlMs', 'cacheScope'].map((key) => ['result', key]),
  ...[...RESERVED, 'io.toolgate/backend'].map((key) => ['result', '_meta', key]),
]

/** Every token but those of the declared edits; a `_meta` that held nothing else counts as none. */
function kept(value: Written, edits: readonly (readonly string[])[], parent: 'params' | 'result'): string {
  const rest = without(value, edits)
  const meta = at(rest, parent, '_meta')
  const empty = meta?.kind === 'object' && meta.members.length === 0
  return written(empty ? without(rest, [[parent, '_meta']]) : rest)
}

const constant = fc.constant
const string = (text: string): fc.Arbitrary<string> => constant(JSON.stringify(text))
const ids = fc.constantFrom(
  '1',
  '-0',
  '18446744073709551616',
  '"a"',
  String.raw`"\u0061\/"`,
  '""',
  `"${'x'.repeat(100)}"`,
)
const anyObject = membersText(jsonText, '').map((members) => `{${members.join(',')}}`)
const maybe = (value: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.oneof(constant(''), value)

/** A call with unknown members everywhere. */
function callText({ era, tool }: RelayClient): fc.Arbitrary<string> {
  const reserved = Object.fromEntries(
    era === 'legacy'
      ? []
      : Object.entries(JSON.parse(META) as object).map(([key, value]) => [
          key,
          constant(JSON.stringify(value)),
        ]),
  )
  const meta = objectWith({ ...reserved, progressToken: maybe(ids) })
  const params = objectWith({
    name: fc.constantFrom(JSON.stringify(tool), escaped(tool)),
    arguments: maybe(anyObject),
    _meta: era === 'legacy' ? maybe(meta) : meta,
  })
  return objectWith({ jsonrpc: string('2.0'), id: ids, method: string('tools/call'), params })
}

/** The same name, its first letter written as an escape. */
function escaped(name: string): string {
  return `"\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}"`
}

/** A content block of a type that the gateway has never heard of, or one that it has. */
const block = objectWith({
  type: fc.constantFrom('"text"', '"hologram"', String.raw`"te\u0078t"`),
  text: jsonText,
})
const serverInfo = constant('{"name" : "backend\\u0021", "version":"1.0"}')
const result = objectWith({
  resultType: maybe(string('complete')),
  content: fc.array(block, { maxLength: 3 }).map((blocks) => `[${blocks.join(' , ')}]`),
  // Anything else than an object is wrapped for legacy clients: that is tested where it is done.
  structuredContent: maybe(anyObject),
  isError: maybe(fc.constantFrom('true', 'false')),
  _meta: maybe(objectWith({ 'io.modelcontextprotocol/serverInfo': maybe(serverInfo) })),
})
const error = objectWith({
  code: fc.constantFrom('-32603', '-32000', '7', '-31999', '0'),
  message: fc.constantFrom('"no"', String.raw`"n\u006f\/"`, '"naïve 😀"'),
  data: maybe(jsonText),
})
/** A response whose id is still to be put in. */
const ID = 987_654_321
const envelope = (members: Readonly<Record<string, fc.Arbitrary<string>>>): fc.Arbitrary<string> =>
  objectWith({ jsonrpc: string('2.0'), id: constant(String(ID)), ...members })
const responses = fc.oneof(
  { weight: 3, arbitrary: envelope({ result }) },
  { weight: 1, arbitrary: envelope({ error }) },
)
const progress = objectWith({
  jsonrpc: string('2.0'),
  method: string('notifications/progress'),
  params: objectWith({
    progressToken: constant(String(ID)),
    progress: fc.constantFrom('1.0', '1e1', '0.10'),
    total: maybe(constant('1E+2')),
    message: maybe(fc.constantFrom('"a\\u0062"')),
  }),
})

function assertRequest(client: RelayClient, sent: string, received: string): void {
  const [from, to] = [readWritten(sent), readWritten(received)]
  assert.equal(kept(to, REQUEST_EDITS, 'params'), kept(from, REQUEST_EDITS, 'params'))
  const name = at(to, 'params', 'name')
  assert.equal(name && JSON.parse(written(name)), 'echo', `the backend's own name for ${client.tool}`)
  const own = at(to, 'id')
  assert.match(own ? written(own) : '', /^(?:\d+|"c\d+")$/, 'an id of the gateway')
  const token = at(from, 'params', '_meta', 'progressToken')
  assert.deepEqual(
    at(to, 'params', '_meta', 'progressToken'),
    token && own,
    'a progress token of the gateway where there was one',
  )
  // What is not edited keeps its white space too; only pipes cannot carry line breaks.
  const args = rawMember(sent, 'arguments')
  if (args !== undefined)
    assert.ok(received.replaceAll(/[\r\n]/g, ' ').includes(args.replaceAll(/[\r\n]/g, ' ')))
}

/** The exact text of the arguments, found by counting brackets. */
function rawMember(text: string, key: string): string | undefined {
  const start = new RegExp(`"${key}":\\s*\\{`).exec(text)
  if (start === null) return undefined
  const from = start.index + start[0].length - 1
  for (let depth = 0, index = from; index < text.length; index++) {
    if (text[index] === '"') index += /^"(?:[^"\\]|\\.)*/.exec(text.slice(index))?.[0].length ?? 1
    if (text[index] === '{') depth++
    if (text[index] === '}' && --depth === 0) return text.slice(from, index + 1)
  }
  return undefined
}

function assertResponse(client: RelayClient, sent: string, answered: string, got: string): void {
  const [from, to] = [readWritten(answered), readWritten(got)]
  assert.equal(kept(to, RESULT_EDITS, 'result'), kept(from, RESULT_EDITS, 'result'))
  assert.deepEqual(at(to, 'id'), at(readWritten(sent), 'id'), 'the id as the client wrote it')
  const [type, own] = [
    at(to, 'result', 'resultType'),
    at(to, 'result', '_meta', 'io.modelcontextprotocol/serverInfo'),
  ]
  if (at(to, 'result') === undefined) return
  if (client.era === 'legacy') return assert.deepEqual([type, own], [undefined, undefined])
  assert.equal(type && written(type), '"complete"')
  assert.equal(own && written(own), '{"name":"toolgate","version":"1.2.3"}')
  const backend = at(from, 'result', '_meta', 'io.modelcontextprotocol/serverInfo')
  assert.deepEqual(
    at(to, 'result', '_meta', 'io.toolgate/backend'),
    backend,
    'the server info of the backend beside it',
  )
}

/** Puts the id of the exchange where it belongs. */
const withId = (text: string, id: string): string => text.replace(String(ID), id)

for (const [row, kind] of BACKENDS.entries()) {
  describe(`relayed from and to ${kind}`, () => {
    let backend: RelayBackend | undefined
    let gateway: TestGateway | undefined
    before(async () => {
      backend = await relayBackend(kind)
      gateway = await startGateway({ backends: { b: backend.config } })
    })
    after(async () => {
      await gateway?.close()
      await backend?.close()
    })

    for (const [column, clientKind] of CLIENTS.entries()) {
      test(`for ${clientKind}: every token but the declared edits`, async () => {
        assert.ok(backend !== undefined && gateway !== undefined)
        const server = backend
        const client = await relayClient(gateway, clientKind)
        const property = fc.asyncProperty(
          callText(client),
          responses,
          progress,
          async (sent, answered, note) => {
            server.answer((id) => [withId(note, id), withId(answered, id)])
            const got = await client.call(sent)
            assertRequest(client, sent, server.received())
            assertResponse(client, sent, answered, got.at(-1) ?? '')
            const token = at(readWritten(sent), 'params', '_meta', 'progressToken')
            const notes = got.slice(0, -1)
            assert.equal(notes.length, token !== undefined && !kind.endsWith('json') ? 1 : 0)
            for (const each of notes) {
              assert.equal(
                written(readWritten(each)),
                written(readWritten(withId(note, token ? written(token) : ''))),
              )
            }
          },
        )
        await fc.assert(property, { numRuns: RUNS, seed: SEED + row * CLIENTS.length + column })
      })
    }
  })
}
