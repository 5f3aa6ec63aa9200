/** What lasts ends with the token it was begun with. */
import assert from 'node:assert/strict'
import { type TestContext, describe, test } from 'node:test'
import { bearer } from '../language/as.ts'
import { legacyServer, modernServer } from '../language/http-backend.ts'
import { type House, gateway } from '../language/house.ts'
import { openIdProvider } from '../language/provider.ts'
import { fileScope } from '../language/scope.ts'
import { rawSubscription } from '../language/subscription.ts'
import { type ShiftedClock, createShiftedClock } from '../support/shifted-clock.ts'

const scope = fileScope()
const provider = await openIdProvider(scope)
const modern = await modernServer(scope)
const legacy = await legacyServer(scope)

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
}

interface World {
  readonly house: House
  readonly clock: ShiftedClock
  readonly token: string
}

async function world(t: TestContext, gatewaySettings = {}): Promise<World> {
  const clock = createShiftedClock()
  const house = await gateway({
    backends: { m: modern, l: legacy },
    gateway: gatewaySettings,
    auth: { issuer: provider.issuer },
    clock,
  })
  t.after(async () => house.close())
  return { house, clock, token: await provider.token({ resource: house.url }) }
}

const expire = (clock: ShiftedClock): void => clock.skip(3600_000 + 31_000)

async function openSession({ house, token }: World): Promise<Readonly<Record<string, string>>> {
  const opened = await house.raw.post(INITIALIZE, { headers: bearer(token) })
  return {
    ...bearer(token),
    'mcp-session-id': opened.headers.get('mcp-session-id') ?? '',
    'mcp-protocol-version': '2025-11-25',
  }
}

describe('when a token expires', () => {
  test('a subscription ends, and says why', async (t) => {
    const { house, clock, token } = await world(t)
    const filter = { toolsListChanged: true }
    const { messages, ended } = await rawSubscription(scope, house, { filter, headers: bearer(token) })
    await messages.until(({ method }) => method === 'notifications/subscriptions/acknowledged')
    expire(clock)
    await ended
    const error = messages.entries.at(-1)?.error
    assert.equal(error?.data?.['code'], 'UNAUTHENTICATED')
    assert.equal(error.message, 'The access token is expired')
  })

  test('a call that has not answered is refused as it would be now', async (t) => {
    const { house, clock, token } = await world(t)
    const from = modern.journal.entries.length
    const call = { name: 'm_wait', arguments: { who: 'modern' } }
    const answer = house.raw.modern('tools/call', call, { headers: bearer(token) })
    await modern.journal.until((entry) => entry.kind === 'call', from)
    expire(clock)
    const { status, headers, response } = await answer
    assert.equal(status, 401)
    assert.match(headers.get('www-authenticate') ?? '', /^Bearer error="invalid_token", resource_metadata=/)
    assert.equal(response.error?.data?.['code'], 'UNAUTHENTICATED')
    await modern.journal.until((entry) => entry.kind === 'cancelled', from)
  })

  test('so is a call of a legacy session, and its GET stream ends', async (t) => {
    const here = await world(t)
    const headers = await openSession(here)
    const stream = await fetch(here.house.url, { headers: { ...headers, accept: 'text/event-stream' } })
    assert.equal(stream.status, 200)
    const from = legacy.journal.entries.length
    const params = { name: 'l_wait', arguments: {} }
    const call = here.house.raw.post({ jsonrpc: '2.0', id: 2, method: 'tools/call', params }, { headers })
    await legacy.journal.until((entry) => entry.kind === 'call', from)
    expire(here.clock)
    const { status, headers: said, response } = await call
    assert.equal(status, 401)
    assert.match(said.get('www-authenticate') ?? '', /^Bearer error="invalid_token", resource_metadata=/)
    assert.equal(response.id, 2)
    await stream.text()
    const ping = await here.house.raw.post({ jsonrpc: '2.0', id: 3, method: 'ping' }, { headers })
    assert.equal(ping.status, 401)
  })

  test('the session goes on with a new token of the same person', async (t) => {
    const here = await world(t)
    const headers = await openSession(here)
    const fresh = await provider.sign({
      aud: here.house.url,
      sub: 'machine',
      client_id: 'machine',
      exp: Math.floor(Date.now() / 1000) + 3 * 3600,
    })
    expire(here.clock)
    const body = { jsonrpc: '2.0', id: 2, method: 'tools/list' }
    const answer = await here.house.raw.post(body, { headers: { ...headers, ...bearer(fresh) } })
    assert.equal(answer.status, 200)
    assert.ok((answer.response.result?.tools?.length ?? 0) > 0)
  })

  test('a stream of the transport of 2024-11-05 ends', async (t) => {
    const { house, clock, token } = await world(t, { sse: true })
    const stream = await fetch(new URL('/sse', house.url), { headers: bearer(token) })
    assert.equal(stream.status, 200)
    expire(clock)
    assert.match(await stream.text(), /^event: endpoint/)
  })
})
