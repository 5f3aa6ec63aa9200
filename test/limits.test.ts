// Limits as clients see them: who is counted together, what a refusal says, who waits and who does not.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../src/pipeline/clock.ts'
import { type House, type HouseOptions, gateway } from './language/house.ts'
import { type HttpBackend, legacyServer, modernServer } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import type { RawAnswer, RawOptions } from './language/raw.ts'
import type { Scope } from './language/scope.ts'
import { INTERACTIVE } from './language/stage.ts'
import { type FakeClock, createFakeClock } from './support/fake-clock.ts'

interface Door extends AsyncDisposable {
  readonly house: House
  readonly backend: HttpBackend
  readonly clock: FakeClock
  /** Calls a tool of the backend. */
  readonly call: (tool?: string, options?: RawOptions) => Promise<RawAnswer>
}

/** A gateway with these limits in front of a modern backend, with a clock that stands still. */
async function door(scope: Scope, options: Omit<HouseOptions, 'backends'>): Promise<Door> {
  const clock = createFakeClock()
  const backend = await modernServer(scope)
  const house = await gateway({ clock, ...options, backends: { b: backend } })
  return {
    house,
    backend,
    clock,
    call: async (tool = 'echo', calling = {}) =>
      house.raw.modern('tools/call', { name: `b_${tool}`, arguments: {} }, calling),
    [Symbol.asyncDispose]: () => house.close(),
  }
}

/** What nobody writes: the limit of whoever configures none. */
const DEFAULT = [{ name: 'default', rate: '60/1m' }]

describe('the default limit', () => {
  test('lets a client make 60 tool calls per minute, and says clearly when the next is possible', async (t) => {
    await using gate = await door(t, { limits: DEFAULT })
    const { clock, call, house } = gate
    for (let n = 0; n < 60; n++) {
      assert.equal((await call()).status, 200)
      if (n === 29) await clock.advance(20_000)
    }
    const { status, headers, response } = await call()
    assert.equal(status, 429)
    assert.equal(headers.get('retry-after'), '40')
    assert.equal(headers.get('ratelimit-policy'), '"default";q=60;w=60')
    assert.equal(headers.get('ratelimit'), '"default";r=0;t=40')
    assert.deepEqual(response.error, {
      code: -31429,
      message: 'Limit default is reached: 60 per 60 s for each principal; try again in 40 s',
      data: {
        limit: 'default',
        key: ['principal'],
        code: 'RATE_LIMITED',
        retryable: true,
        hint: 'Wait for retryAfterMs, then try again.',
        retryAfterMs: 40_000,
      },
    })
    // Only tool calls count.
    assert.equal((await house.raw.modern('tools/list')).status, 200)
    await clock.advance(39_999)
    assert.equal((await call()).status, 429)
    await clock.advance(1)
    for (let n = 0; n < 30; n++) assert.equal((await call()).status, 200)
    assert.equal((await call()).status, 429)
    assert.deepEqual(house.gateway.limitReports(), [{ name: 'default', shadow: 0, queued: 0, refused: 3 }])
  })

  for (const generation of ['legacy', 'v1'] as const) {
    test(`reaches clients of the ${generation} SDK too`, async (t) => {
      await using gate = await door(t, { limits: [{ rate: '1/1m' }], clock: systemClock })
      await using client = await gate.house.client(generation)
      await client.call('b_echo')
      await assert.rejects(client.call('b_echo'), /429|RATE_LIMITED|Limit principal-rate is reached/)
      // Another session is no other client.
      await using second = await gate.house.client(generation)
      await assert.rejects(second.call('b_echo'), /Limit principal-rate is reached/)
    })
  }

  test('a refusal in a legacy session has its status and headers as well', async (t) => {
    await using gate = await door(t, { limits: [{ name: 'one', rate: '1/1m' }] })
    const { house } = gate
    const opened = await house.raw.post({
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
    })
    const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'b_echo', arguments: {} } }
    assert.equal((await house.raw.post(body, { headers })).status, 200)
    const refused = await house.raw.post(body, { headers })
    assert.equal(refused.status, 429)
    assert.equal(refused.headers.get('retry-after'), '60')
    assert.equal(refused.response.error?.data?.['code'], 'RATE_LIMITED')
  })
})

describe('limits are keyed', () => {
  test('by address, as trusted proxies tell it and nobody else can', async (t) => {
    const limits = [{ key: ['address'], rate: '1/1m' }]
    await using behind = await door(t, { limits, gateway: { trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] } })
    const from = async (chain: string): Promise<number> =>
      (await behind.call('echo', { headers: { 'x-forwarded-for': chain } })).status
    assert.equal(await from('192.0.2.1'), 200)
    assert.equal(await from('192.0.2.1'), 429)
    assert.equal(await from('192.0.2.2'), 200)
    // What stands before the last address that is no proxy is only what the client said.
    assert.equal(await from('198.51.100.9, 192.0.2.1, 10.1.2.3'), 429)
    // A client has the whole of an IPv6 network.
    assert.equal(await from('2001:db8::1'), 200)
    assert.equal(await from('[2001:db8:0:0:ffff::2]:4711'), 429)
    assert.equal(await from('2001:db8:0:1::1'), 200)

    await using direct = await door(t, { limits })
    const claim = { headers: { 'x-forwarded-for': '192.0.2.1' } }
    assert.equal((await direct.call('echo', claim)).status, 200)
    assert.equal((await direct.call('echo', { headers: { 'x-forwarded-for': '192.0.2.2' } })).status, 429)
  })

  test('by backend and tool, and only the calls that match count, by their weight', async (t) => {
    let days = 0
    const still = createFakeClock()
    // A day of every timer would take long.
    const clock = { ...still, wallTime: () => still.wallTime() + days * 24 * 3_600_000 }
    const [a, b] = [await modernServer(t), await modernServer(t)]
    const limits = [
      { name: 'tools', key: ['backend', 'tool'], rate: '2/1m' },
      { name: 'dear', key: [], match: { backend: 'b' }, quota: '5/day', weights: { 'b/fa*': 4 } },
    ]
    await using house = await gateway({ clock, limits, backends: { a, b } })
    const call = async (name: string): Promise<unknown> => {
      const { status, response } = await house.raw.modern('tools/call', { name, arguments: {} })
      return status === 200 ? 'ok' : [response.error?.data?.['code'], response.error?.data?.['limit']]
    }
    assert.equal(await call('a_echo'), 'ok')
    assert.equal(await call('a_echo'), 'ok')
    assert.deepEqual(await call('a_echo'), ['RATE_LIMITED', 'tools'])
    assert.equal(await call('a_fail'), 'ok')
    assert.equal(await call('b_fail'), 'ok')
    assert.deepEqual(await call('b_fail'), ['QUOTA_EXCEEDED', 'dear'])
    assert.equal(await call('b_echo'), 'ok')
    assert.deepEqual(await call('b_echo'), ['QUOTA_EXCEEDED', 'dear'])
    // What was refused has cost nothing, of either limit: at midnight both calls are there again.
    days = 1
    assert.equal(await call('b_echo'), 'ok')
    assert.equal(await call('b_fail'), 'ok')
  })
})

describe('concurrency', () => {
  test('is held until the call has truly ended, also by one that its client gave up', async (t) => {
    await using gate = await door(t, { limits: [{ name: 'two', key: ['backend'], concurrency: 2 }] })
    const { backend, call } = gate
    const leaver = new AbortController()
    const first = call('wait')
    const second = call('wait', { signal: leaver.signal })
    await eventually('two calls run', () => backend.journal.count((one) => one.kind === 'call') === 2)
    const { status, headers, response } = await call()
    assert.equal(status, 429)
    assert.equal(headers.get('ratelimit-policy'), '"two";q=2;qu="concurrent-requests"')
    assert.equal(headers.get('ratelimit'), '"two";r=0')
    assert.match(response.error?.message ?? '', /^Limit two is reached: 2 at once for each backend;/)
    leaver.abort()
    await assert.rejects(second)
    await eventually('its place is free', async () => (await call()).status === 200)
    backend.release()
    assert.equal((await first).status, 200)
    assert.equal((await call()).status, 200)
  })

  test('can be waited for; one that leaves the queue makes room', async (t) => {
    const limits = [{ key: [], concurrency: 1, onExceed: 'queue', queue: { size: 1, wait: '5s' } }]
    await using gate = await door(t, { limits })
    const { backend, call, clock, house } = gate
    const running = call('wait')
    await eventually('it runs', () => backend.journal.count((one) => one.kind === 'call') === 1)
    const leaver = new AbortController()
    const leaving = call('echo', { signal: leaver.signal })
    await eventually('it waits', () => house.gateway.limitReports()[0]?.queued === 1)
    assert.equal((await call()).status, 429, 'the queue is full')
    leaver.abort()
    await assert.rejects(leaving)
    await eventually('it has left', () => house.gateway.meter.inFlight === 1)
    const late = call()
    await eventually('the next waits', () => house.gateway.limitReports()[0]?.queued === 2)
    await clock.advance(5000)
    const refused = await late
    assert.equal(refused.status, 429)
    assert.match(refused.response.error?.message ?? '', /after 5 s in its queue/)
    const patient = call()
    await eventually('another waits', () => house.gateway.limitReports()[0]?.queued === 3)
    backend.release()
    assert.equal((await running).status, 200)
    assert.equal((await patient).status, 200)
  })

  test('rates can be waited for too', async (t) => {
    await using gate = await door(t, { limits: [{ rate: '1/1s', onExceed: 'queue' }] })
    const { call, clock, house } = gate
    assert.equal((await call()).status, 200)
    const waiting = [call(), call()]
    await eventually('both wait', () => house.gateway.limitReports()[0]?.queued === 2)
    await clock.advance(1000)
    assert.equal((await Promise.race(waiting)).status, 200)
    assert.equal(house.gateway.meter.inFlight, 1)
    await clock.advance(1000)
    assert.deepEqual(
      (await Promise.all(waiting)).map(({ status }) => status),
      [200, 200],
    )
  })
})

test('a limit in shadow mode refuses nobody, and tells the operator', async (t) => {
  await using gate = await door(t, { limits: [{ name: 'trial', rate: '1/1m', shadow: true }] })
  const { call, house } = gate
  for (let n = 0; n < 3; n++) assert.equal((await call()).status, 200)
  assert.deepEqual(house.gateway.limitReports(), [{ name: 'trial', shadow: 2, queued: 0, refused: 0 }])
  assert.equal(
    house.log.count(({ message, fields }) => /shadow/.test(message) && fields['limit'] === 'trial'),
    1,
  )
})

test('a call that waits for input of its client counts once, however often it is taken up again', async (t) => {
  const backend = await legacyServer(t, { tools: INTERACTIVE })
  const limits = [{ name: 'once', rate: '1/1m' }]
  await using house = await gateway({ limits, backends: { b: backend } })
  const meta = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }
  const ask = async (params: object, route = 'b'): Promise<RawAnswer> =>
    house.raw.modern(
      'tools/call',
      { name: 'ask', arguments: { who: 'me' }, _meta: meta, ...params },
      { route },
    )
  const asked = (await ask({})).response.result
  assert.equal(asked?.['resultType'], 'input_required')
  assert.equal((await ask({})).status, 429, 'another call is one too many')
  assert.equal(
    (await ask({ requestState: 'made up' })).status,
    429,
    'and so is one that only claims to be resumed',
  )
  const requestState = asked['requestState']
  const again = (await ask({ requestState })).response.result
  assert.equal(again?.['resultType'], 'input_required')
  const inputResponses = { elicitation_1: { action: 'accept', content: { name: 'you' } } }
  const { response } = await ask({ requestState: again['requestState'], inputResponses })
  assert.match(JSON.stringify(response.result), /accept/)
  assert.equal(
    backend.journal.count((one) => one.kind === 'call'),
    1,
  )
})

test('the limit per address stands before everything but health checks', async (t) => {
  await using gate = await door(t, { gateway: { limits: { requestsPerAddress: '2/1m' } } })
  const { house, clock } = gate
  const anything = async (): Promise<RawAnswer> => house.raw.post('not even JSON')
  assert.equal((await anything()).status, 400)
  assert.equal((await anything()).status, 400)
  const refused = await anything()
  assert.equal(refused.status, 429)
  assert.equal(refused.headers.get('retry-after'), '30')
  assert.equal(refused.headers.get('ratelimit-policy'), '"address";q=2;w=60;toolgate-burst=2')
  assert.equal(refused.response.error?.data?.['code'], 'RATE_LIMITED')
  assert.equal((await fetch(new URL('/healthz', house.url))).status, 200)
  await clock.advance(30_000)
  assert.equal((await anything()).status, 400)
})
