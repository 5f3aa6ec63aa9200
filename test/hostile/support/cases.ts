import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Received, type RawBackend, good, rawBackend } from './backend.ts'
import { type TestConfig, type TestGateway, answerOf, modernCall, startGateway } from './gateway.ts'
import { type RawRequest, type RawResponse, roundTrip } from './wire.ts'

/** One face of the gateway, and what the tools of the backend `good` are called there. */
export interface Face {
  readonly path: string
  /** A tool without arguments. */
  readonly echo: string
  /** A tool with the arguments region, count and flag, which HTTP mirrors. */
  readonly mirrored: string
}

/** The exact answer to bad input. */
export interface Refused {
  readonly status: number
  /** JSON-RPC code. */
  readonly rpc: number
  /** `error.data.code`. */
  readonly code: string
  /** Raw JSON of the id; undefined where the answer must have none. */
  readonly id?: string
  readonly message?: RegExp
  /** Headers of the answer, exactly. */
  readonly headers?: Readonly<Record<string, string>>
  /** Further members of `error.data`. */
  readonly data?: Readonly<Record<string, unknown>>
}

/** Bad input and what must become of it. */
export interface BadInput {
  readonly title: string
  readonly request: (face: Face) => RawRequest
  readonly refused: Refused
}

/** Tools of the backend `good`. */
const TOOLS = `{"name":"echo","inputSchema":{"type":"object"}},{"name":"mirrored","inputSchema":{"type":"object","properties":{
  "region":{"type":"string","x-mcp-header":"Region"},
  "count":{"type":"integer","x-mcp-header":"Count"},
  "flag":{"type":"boolean","x-mcp-header":"Flag"}}}}`

/** The faces that every case is tried on. */
export const FACES: readonly Face[] = [
  { path: '/mcp', echo: 'good_echo', mirrored: 'good_mirrored' },
  { path: '/mcp/good', echo: 'echo', mirrored: 'mirrored' },
]

/** A gateway with one good backend, started before the tests of a suite and ended after them. */
export interface World {
  readonly port: () => number
  readonly gateway: () => TestGateway
  readonly backend: () => RawBackend
  /** Calls a tool as somebody else would, and asserts that it is served. */
  readonly serves: (path?: string) => Promise<void>
  /** What the backend was asked since the last look, without lists. */
  readonly calls: () => readonly Received[]
}

/** Declares the world of a suite. */
export function world(settings: TestConfig['gateway'] = {}): World {
  let gateway: TestGateway | undefined
  let backend: RawBackend | undefined
  let seen = 0
  before(async () => {
    backend = await rawBackend(good({ era: 'modern', tools: TOOLS }))
    gateway = await startGateway({ backends: { good: backend.url }, gateway: settings })
  })
  after(async () => {
    await gateway?.close()
    await backend?.stop()
  })
  const theGateway = (): TestGateway => gateway ?? assert.fail('not started')
  const theBackend = (): RawBackend => backend ?? assert.fail('not started')
  return {
    gateway: theGateway,
    backend: theBackend,
    port: () => theGateway().port,
    async serves(path = '/mcp') {
      const tool = path === '/mcp' ? 'good_echo' : 'echo'
      const response = await roundTrip(
        theGateway().port,
        modernCall(tool, { path, args: '{"by":"somebody else"}' }),
      )
      assert.equal(response.status, 200)
      assert.match(response.body, /"id":1,.*"served"/)
    },
    calls() {
      const all = theBackend().received.filter(({ body }) => !body.includes('"somebody else"'))
      const news = all.slice(seen).filter(({ rpc }) => rpc === 'tools/call')
      seen = all.length
      return news
    },
  }
}

/** Tries every case on every face, with somebody else being served at the same time and nothing reaching the backend. */
export function refuses(cases: readonly BadInput[], { port, serves, calls }: World): void {
  for (const face of FACES) {
    describe(face.path, () => {
      for (const { title, request, refused } of cases) {
        test(title, async () => {
          calls()
          const [response] = await Promise.all([
            roundTrip(port(), { ...request(face), path: face.path }),
            serves(face.path),
          ])
          assertRefused(response, refused)
          assert.deepEqual(calls(), [], 'nothing of it may reach the backend')
        })
      }
    })
  }
}

/** Asserts every part of a refusal. */
export function assertRefused(response: RawResponse, refused: Refused): void {
  const { error } = answerOf(response)
  assert.deepEqual(
    { status: response.status, rpc: error?.code, code: error?.data?.['code'] },
    { status: refused.status, rpc: refused.rpc, code: refused.code },
    response.body,
  )
  const id = refused.id === undefined ? '"error":' : `"id":${refused.id},"error":`
  assert.ok(response.body.startsWith(`{"jsonrpc":"2.0",${id}`), response.body)
  assert.equal(response.headers['content-type'], 'application/json')
  if (refused.message !== undefined) assert.match(error?.message ?? '', refused.message)
  for (const [name, value] of Object.entries(refused.headers ?? {}))
    assert.equal(response.headers[name], value)
  for (const [name, value] of Object.entries(refused.data ?? {})) assert.deepEqual(error?.data?.[name], value)
  assertNothingLeaks(response.body)
}

/** Nothing of the gateway's inside may stand in what a client gets. */
export function assertNothingLeaks(body: string): void {
  assert.doesNotMatch(body, /127\.0\.0\.1|localhost|node_modules|\.ts:\d|\bat .*:\d+:\d+|s3cret/i)
}
