// Peers that vanish without a word: no FIN, no reset, only silence. A relay stops forwarding; both ends see an open connection.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type RawBackend, ECHO, except, good, rawBackend } from './hostile/support/backend.ts'
import { type House, gateway } from './language/house.ts'
import { modernServer } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import { type Relay, relayTo } from './language/relay.ts'
import type { Scope } from './language/scope.ts'
import type { Arguments } from './language/stage.ts'
import { rawSubscription } from './language/subscription.ts'

const portOf = (url: string): number => Number(new URL(url).port)
const through = (url: string, relay: Relay): string => url.replace(/:\d+\//, `:${relay.port}/`)

/** A gateway whose clients come through a relay. */
async function behindRelay(
  scope: Scope,
  house: House,
): Promise<{ readonly relay: Relay; readonly url: string }> {
  const relay = await relayTo(scope, portOf(house.url))
  return { relay, url: through(house.url, relay) }
}

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
}

describe('a client that vanishes', () => {
  test('with an open subscription gives its place back when the subscription is old', async (t) => {
    const backend = await modernServer(t)
    const house = await gateway({
      backends: { backend },
      gateway: { limits: { streams: 1, streamAge: '700ms' } },
    })
    t.after(async () => house.close())
    const { relay, url } = await behindRelay(t, house)
    const filter = { toolsListChanged: true }
    const first = await rawSubscription(t, { url }, { filter })
    await first.messages.until(() => true)
    relay.vanish()
    const second = await rawSubscription(t, house, { filter })
    assert.equal(second.answer.status, 503, 'its place is taken still')
    await eventually('the place is free', async () => {
      const subscription = await rawSubscription(t, house, { filter })
      const { answer } = subscription
      if (answer.status !== 200) await answer.text()
      subscription.leave()
      return answer.status === 200
    })
  })

  test('and one that is there is told that its subscription ended in good order', async (t) => {
    const backend = await modernServer(t)
    const house = await gateway({ backends: { backend }, gateway: { limits: { streamAge: '300ms' } } })
    t.after(async () => house.close())
    const { messages, ended } = await rawSubscription(t, house, { filter: { toolsListChanged: true } })
    const { result } = await messages.until((message) => message.result !== undefined)
    assert.equal(result?.['resultType'], 'complete')
    await ended
  })

  test('with the stream of its session gives the session back', async (t) => {
    const backend = await modernServer(t)
    const house = await gateway({
      backends: { backend },
      gateway: { sessionIdle: '300ms', limits: { sessions: 1, streamAge: '300ms' } },
    })
    t.after(async () => house.close())
    const { relay, url } = await behindRelay(t, house)
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const opened = await fetch(url, { method: 'POST', headers, body: JSON.stringify(INITIALIZE) })
    await opened.text()
    const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
    const leaving = new AbortController()
    t.after(() => leaving.abort())
    const listening = await fetch(url, { headers: { ...headers, ...session }, signal: leaving.signal })
    assert.equal(listening.status, 200)
    relay.vanish()
    assert.equal((await house.raw.post(INITIALIZE)).status, 503, 'there is no place but its own')
    await eventually('its place is free', async () => (await house.raw.post(INITIALIZE)).status === 200)
  })

  for (const era of ['modern', 'legacy'] as const)
    test(`in the middle of what a ${era} backend has to say ends the call`, async (t) => {
      const server = { era, tools: ECHO }
      const closed = Promise.withResolvers<void>()
      const flooding = await rawBackend(
        except(
          'tools/call',
          ({ id }, reply) => {
            const step = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${id},"progress":1}}`
            const block = `data: ${step}\n\n`.repeat(100)
            reply.events()
            const more = (): void => {
              while (!reply.socket.destroyed && reply.socket.write(block));
            }
            reply.socket.on('drain', more).on('close', closed.resolve)
            more()
          },
          server,
        ),
      )
      t.after(() => flooding.stop())
      const backend = { settings: { url: flooding.url, timeout: '5m' } }
      const house = await gateway({ backends: { backend }, gateway: { limits: { replyTimeout: '400ms' } } })
      t.after(async () => house.close())
      const { relay, url } = await behindRelay(t, house)
      const leaving = new AbortController()
      t.after(() => leaving.abort())
      const answer = await fetch(url, modernCall('backend_echo', leaving.signal))
      assert.equal(answer.status, 200)
      relay.vanish()
      await closed.promise
    })
})

function modernCall(name: string, signal: AbortSignal): RequestInit {
  const meta = {
    progressToken: 1,
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  return {
    method: 'POST',
    signal,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': name,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name, arguments: {}, _meta: meta },
    }),
  }
}

describe('a backend that vanishes', () => {
  interface Desk {
    readonly backend: RawBackend
    readonly relay: Relay
    readonly house: House
  }

  async function desk(scope: Scope, era: 'modern' | 'legacy'): Promise<Desk> {
    const capabilities = { tools: { listChanged: true } }
    const backend = await rawBackend((received, reply) => {
      const { rpc, id, method } = received
      const result = (value: object): void =>
        reply.json(`{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(value)}}`)
      if (rpc === 'server/discover' && era === 'modern')
        return result({ resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities })
      if (rpc === 'initialize' && era === 'legacy')
        return result({
          protocolVersion: '2025-11-25',
          capabilities,
          serverInfo: { name: 'b', version: '1' },
        })
      if (rpc === 'ping') return result({})
      const acknowledged = {
        method: 'notifications/subscriptions/acknowledged',
        params: { notifications: { toolsListChanged: true } },
      }
      if (rpc === 'subscriptions/listen')
        return reply.events(JSON.stringify({ jsonrpc: '2.0', ...acknowledged }))
      if (method === 'GET') return reply.events('')
      good({ era, tools: ECHO })(received, reply)
    })
    scope.after(() => backend.stop())
    const relay = await relayTo(scope, portOf(backend.url))
    const settings = { url: through(backend.url, relay), timeout: '400ms' }
    const house = await gateway({
      backends: { backend: { settings } },
      gateway: { limits: { silence: '1s' } },
    })
    scope.after(async () => house.close())
    return { backend, relay, house }
  }

  for (const era of ['modern', 'legacy'] as const) {
    test(`ends the calls of a ${era} one in time, and is used again when it is back`, async (t) => {
      const { relay, house } = await desk(t, era)
      const echo = async (): Promise<Arguments | undefined> =>
        (await house.raw.modern('tools/call', { name: 'backend_echo', arguments: {} })).response.error?.data
      assert.equal(await echo(), undefined)
      relay.cut()
      assert.equal((await echo())?.['code'], 'BACKEND_TIMEOUT')
      const stateOf = (): string | undefined => house.gateway.report()[0]?.condition.state
      await eventually('it is known to be away', () => stateOf() === 'down')
      relay.restore()
      await eventually('it is back', () => stateOf() === 'up')
      assert.equal(await echo(), undefined)
    })

    test(`loses no change of a ${era} one for good: its silent stream is opened again`, async (t) => {
      const { relay, house, backend } = await desk(t, era)
      const { messages } = await rawSubscription(t, house, { filter: { toolsListChanged: true } })
      await messages.until(() => true)
      const streams = (): number =>
        backend.received.filter(({ rpc, method }) => method === 'GET' || rpc === 'subscriptions/listen')
          .length
      await eventually('the backend is listened to', () => streams() > 0)
      const [before, told] = [streams(), messages.entries.length]
      relay.vanish()
      await eventually('another stream is open', () => streams() > before)
      await messages.until(({ method }) => method === 'notifications/tools/list_changed', told)
    })
  }
})
