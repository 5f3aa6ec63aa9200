// Clients that never read: what their backends have to say waits there, not in the gateway.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Reply, type Received, ECHO, except, good, rawBackend } from './hostile/support/backend.ts'
import { legacyClient, META, modernHeaders } from './hostile/support/gateway.ts'
import { openWire, requestBytes } from './hostile/support/wire.ts'
import { eventually } from './language/journal.ts'
import { gatewayProcess, site } from './language/process.ts'
import type { Configured, Scope } from './language/scope.ts'
import { EVERY_BEHAVIOUR } from './language/stage.ts'
import { stdioServer } from './language/stdio-backend.ts'

const MIB = 1_048_576
/** What each backend would say to each client. */
const OFFERED = 500 * MIB
/** What the gateway may hold for one client: a chunk that was read, what it became, and what waits for the socket. */
const EACH = 1.5 * MIB
/** What the process may grow by for other reasons, such as garbage that was not collected yet. */
const SLACK = 48 * MIB
const CLIENTS = 16

interface Flood extends Configured {
  /** Bytes that were taken from it, over all calls. */
  readonly taken: number
  readonly calls: number
}

/** A backend whose calls never end, and say something as long as it is taken. */
async function flood(scope: Scope, era: 'modern' | 'legacy'): Promise<Flood> {
  const server = { era, tools: ECHO }
  const count = { taken: 0, calls: 0 }
  const say = ({ id }: Received, reply: Reply): void => {
    const step = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${id},"progress":1,"message":"${'x'.repeat(500)}"}}`
    const block = `data: ${step}\n\n`.repeat(50)
    let sent = 0
    count.calls++
    reply.events()
    const more = (): void => {
      do {
        sent += block.length
        count.taken += block.length
      } while (sent < OFFERED && !reply.socket.destroyed && reply.socket.write(block))
    }
    reply.socket.on('drain', more)
    more()
  }
  const backend = await rawBackend(except('tools/call', say, server))
  scope.after(() => backend.stop())
  return {
    settings: { url: backend.url, timeout: '5m' },
    get taken() {
      return count.taken
    },
    get calls() {
      return count.calls
    },
  }
}

test('memory stays bounded, and others are served', async (t) => {
  const floods = { modern: await flood(t, 'modern'), legacy: await flood(t, 'legacy') }
  const calm = await rawBackend(good({ era: 'modern', tools: ECHO }))
  t.after(() => calm.stop())
  const piped = await stdioServer(t, 'legacy', { tools: EVERY_BEHAVIOUR })
  const backends = { ...floods, piped, calm: { settings: { url: calm.url } } }
  const where = await site(t, { backends, gateway: { limits: { replyTimeout: '10m', queue: 64 } } })
  const house = await gatewayProcess(where)
  t.after(async () => house[Symbol.asyncDispose]())
  const port = Number(new URL(house.url).port)
  const isServed = async (): Promise<void> => {
    const { response } = await house.raw.modern('tools/call', { name: 'calm_echo', arguments: {} })
    assert.equal(response.error, undefined)
  }
  await isServed()
  const before = await house.memory()

  const call = (tool: string, meta = META, args = '{}'): string =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${tool}","arguments":${args},"_meta":${meta.replace('{', '{"progressToken":"mine",').replace(',}', '}')}}}`
  const deaf = async (headers: Readonly<Record<string, string>>, body: string): Promise<void> => {
    const wire = await openWire(port)
    t.after(() => wire.close())
    wire.socket.pause()
    wire.write(requestBytes({ headers, body }))
  }
  const tools = ['modern_echo', 'legacy_echo']
  for (const tool of tools)
    for (let client = 0; client < CLIENTS; client++) {
      if (client % 2 === 0) await deaf(modernHeaders('tools/call', tool), call(tool))
      else {
        const { session } = await legacyClient(port)
        await deaf({ 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }, call(tool, '{}'))
      }
    }
  for (let client = 0; client < 4; client++)
    await deaf(modernHeaders('tools/call', 'piped_progress'), call('piped_progress', META, '{"steps":50000}'))

  const all = CLIENTS * tools.length
  await eventually('every call is under way', () => floods.modern.calls + floods.legacy.calls === all)
  let last = -1
  await eventually('nothing more is taken from the backends', async () => {
    const taken = floods.modern.taken + floods.legacy.taken
    await isServed()
    await new Promise((resolve) => setTimeout(resolve, 300))
    const isOver = taken === last
    last = taken
    return isOver
  })
  await isServed()
  const after = await house.memory()
  assert.ok(
    last < (all * OFFERED) / 10,
    `${last} bytes were taken, nearly all of it into the buffers of the system`,
  )
  if (before === undefined || after === undefined) return
  const grown = after - before
  assert.ok(grown < SLACK + all * EACH, `the gateway has grown by ${grown / MIB} MiB for ${all} clients`)
})
