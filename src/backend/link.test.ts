import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import type { Signal } from '../pipeline/signal.ts'
import { createFakeClock, settled } from '../../test/support/fake-clock.ts'
import { notificationOf, untilAborted } from '../../test/support/scripted.ts'
import {
  type Script,
  type ScriptedChannel,
  answer,
  backendPorts,
  fail,
  legacyServer,
  modernServer,
  refuse,
  scriptedChannel,
} from '../../test/support/scripted-channel.ts'
import { GatewayError } from '../errors.ts'
import { type Channel, ChannelError } from './channel.ts'
import type { LinkConfig } from './link-types.ts'
import { createLink } from './link.ts'
import type { Speaker } from './speaker.ts'

const LIVE = new AbortController().signal
const REFUSED = { kind: 'unreachable', reason: 'connection refused' } as const

function setUp(script: Script, over: Partial<LinkConfig> & { readonly transport?: 'http' | 'stdio' } = {}) {
  const clock = createFakeClock()
  const channel: ScriptedChannel = scriptedChannel(script, over.transport)
  const lines: string[] = []
  const opened = { count: 0, open: (): Promise<Channel> => Promise.resolve(channel) }
  const link = createLink(
    { name: 'a', era: 'auto', timeout: 30_000, ...over },
    () => {
      opened.count++
      return opened.open()
    },
    backendPorts(clock, (level, message) => lines.push(`${level} ${message}`)),
  )
  const changes: string[] = []
  link.subscribe(
    { lists: ['tools', 'prompts', 'resources'], resources: [], tasks: [] },
    { context: '', onChange: (change) => changes.push(change.kind === 'list' ? change.list : change.kind) },
  )
  const ask = (signal: Signal = LIVE): Promise<string> =>
    link.use(async (speaker) => (await speaker.ask('tools/list', '', signal)).kind, signal)
  return { clock, channel, link, lines, opened, changes, ask }
}

describe('connecting', () => {
  test('is shared by all who ask at the same time, and done once', async () => {
    const { channel, link, ask } = setUp(modernServer())
    assert.deepEqual(link.state.condition, { state: 'connecting' })
    const speakers = await Promise.all([link.speaker(LIVE), link.speaker(LIVE), link.speaker(LIVE)])
    assert.equal(new Set(speakers).size, 1)
    await ask()
    assert.deepEqual(channel.methods, ['server/discover', 'tools/list'])
    assert.deepEqual(link.state.condition, { state: 'up' })
    assert.equal(link.state.identity?.serverInfo?.name, 'modern')
  })

  test('goes on for the others when one caller leaves', async () => {
    const gate = Promise.withResolvers<void>()
    const { channel, link } = setUp(async (_method, exchange) => {
      await gate.promise
      return modernServer()('server/discover', exchange)
    })
    const leaving = new AbortController()
    const left = link.speaker(leaving.signal)
    const staying = link.speaker(LIVE)
    leaving.abort(new GatewayError('CANCELLED', 'left'))
    await assert.rejects(left, { code: 'CANCELLED' })
    gate.resolve()
    assert.equal((await staying).identity.era, 'modern')
    assert.equal(channel.requests.length, 1)
  })

  test('is not begun for a caller who has left already', async () => {
    const { opened, link } = setUp(modernServer())
    const left = AbortSignal.abort(new GatewayError('CANCELLED', 'left'))
    await assert.rejects(link.speaker(left), { code: 'CANCELLED' })
    assert.equal(opened.count, 0)
  })

  test('ends at its timeout for everybody, even where the channel does not open', async () => {
    const { clock, link, opened } = setUp(modernServer(), { timeout: 1000 })
    opened.open = () => new Promise(() => undefined)
    const waiting = assert.rejects(link.speaker(LIVE), { code: 'BACKEND_TIMEOUT' })
    await clock.advance(1000)
    await waiting
    assert.equal(link.state.condition.state, 'down')
  })

  test('measures how long the first answer took', async () => {
    const { clock, link } = setUp(modernServer())
    await clock.advance(70)
    await link.speaker(LIVE)
    assert.equal(link.state.readyAfter, 70)
    assert.equal(link.state.reconnects, 0)
  })
})

describe('a stale session', () => {
  /** Forgets its session whenever the test says so. */
  function forgetful() {
    let current = 0
    const forget = { times: 0 }
    const script: Script = (method, exchange) => {
      if (method === 'initialize') return legacyServer({}, `s${++current}`)(method, exchange)
      if (method !== 'tools/list') return legacyServer()(method, exchange)
      const known = exchange.headers['mcp-session-id'] === `s${current}` && forget.times <= 0
      if (known) return answer(exchange, { tools: [] })
      forget.times--
      return fail({ kind: 'status', status: 404, body: '' })
    }
    return { script, forget }
  }

  test('is initialised again once for all waiting calls together, and each call is sent again', async () => {
    const { script, forget } = forgetful()
    const { channel, link, ask } = setUp(script, { era: 'legacy' })
    await ask()
    forget.times = 3
    assert.deepEqual(await Promise.all([ask(), ask(), ask()]), ['result', 'result', 'result'])
    assert.deepEqual(channel.methods, [
      'initialize',
      ...Array<string>(4).fill('tools/list'),
      'initialize',
      ...Array<string>(3).fill('tools/list'),
    ])
    assert.equal(link.state.reconnects, 1)
    assert.equal(link.state.condition.state, 'up')
  })

  test('twice in a row is an error, not a loop', async () => {
    const { script, forget } = forgetful()
    const { channel, ask } = setUp(script, { era: 'legacy' })
    await ask()
    forget.times = 2
    await assert.rejects(ask(), { code: 'BACKEND_PROTOCOL' })
    assert.equal(channel.methods.filter((method) => method === 'tools/list').length, 3)
    assert.equal(await ask(), 'result', 'the next call finds it mended')
  })

  test('that is reported late does not end the session that came after it', async () => {
    const { script } = forgetful()
    const late = Promise.withResolvers<void>()
    const { channel, ask } = setUp(script, { era: 'legacy' })
    await ask()
    const lost = (): Promise<never> => fail({ kind: 'status', status: 404, body: '' })
    let asked = 0
    channel.script = (method, exchange) => {
      if (method === 'initialize' || ++asked > 2) return script(method, exchange)
      return asked === 1 ? lost() : late.promise.then(lost)
    }
    const both = [ask(), ask()]
    await both[0]
    late.resolve()
    await both[1]
    assert.equal(channel.methods.filter((method) => method === 'initialize').length, 2)
  })

  test('makes every list suspect: what was announced meanwhile is lost', async () => {
    const { script, forget } = forgetful()
    const { changes, ask } = setUp(script, { era: 'legacy' })
    await ask()
    assert.deepEqual(changes, [])
    forget.times = 1
    await ask()
    assert.deepEqual(changes, ['tools', 'prompts', 'resources'])
  })

  test('of the era makes the backend be probed again', async () => {
    const { channel, link, ask } = setUp(modernServer({ tools: [] }))
    await ask()
    channel.script = (method, exchange) =>
      method === 'tools/list' && exchange.era === 'modern'
        ? fail({ kind: 'status', status: 400, body: '' })
        : legacyServer({ tools: [] })(method, exchange)
    assert.equal(await ask(), 'result')
    assert.equal(link.state.verdict?.era, 'legacy')
    assert.deepEqual(channel.methods.slice(2), ['tools/list', 'server/discover', 'initialize', 'tools/list'])
  })
})

describe('a backend that is away', () => {
  test('is tried again by itself with growing pauses, and is up when it is back', async () => {
    const { clock, channel, link, lines } = setUp(() => fail(REFUSED))
    await assert.rejects(link.speaker(LIVE), { code: 'BACKEND_UNAVAILABLE' })
    assert.deepEqual(link.state.condition, { state: 'down', reason: 'connection refused' })
    const since = link.state.since
    for (const [pause, tries] of [
      [500, 2],
      [1000, 3],
      [2000, 4],
      [4000, 5],
    ] as const) {
      await clock.advance(pause - 1)
      assert.equal(channel.requests.length, tries - 1)
      await clock.advance(1)
      assert.equal(channel.requests.length, tries)
    }
    assert.equal(link.state.since, since, 'it is down since it first was')
    assert.deepEqual(
      lines.filter((line) => line.startsWith('warn')),
      ['warn backend is down'],
      'said once',
    )
    channel.script = modernServer()
    await clock.advance(8000)
    assert.equal(link.state.condition.state, 'up')
    assert.equal(clock.pending, 0, 'nothing is tried any more')
  })

  test('pauses half a minute at most', async () => {
    const { clock, channel, link } = setUp(() => fail(REFUSED))
    await assert.rejects(link.speaker(LIVE))
    await clock.advance(300_000)
    const tries = channel.requests.length
    await clock.advance(30_000)
    assert.equal(channel.requests.length, tries + 1)
  })

  test('is up as soon as a call is answered', async () => {
    const { clock, channel, link, ask } = setUp(modernServer())
    await ask()
    channel.script = () => fail(REFUSED)
    await assert.rejects(ask(), { code: 'BACKEND_UNAVAILABLE' })
    assert.equal(link.state.condition.state, 'down')
    channel.script = modernServer()
    await ask()
    assert.equal(link.state.condition.state, 'up')
    assert.equal(clock.pending, 0)
  })

  test('that hangs is found out by a request that costs nothing, and comes back', async () => {
    const { clock, channel, link, ask, changes } = setUp(modernServer(), { timeout: 1000 })
    await ask()
    channel.script = (_method, exchange) => untilAborted(exchange.signal)
    const caller = new AbortController()
    const hanging = assert.rejects(ask(caller.signal), { code: 'BACKEND_TIMEOUT' })
    caller.abort(new GatewayError('BACKEND_TIMEOUT', 'Backend a did not answer within 1000 ms'))
    await hanging
    assert.equal(link.state.condition.state, 'up', 'one slow call proves nothing')
    await clock.advance(500 + 1000)
    assert.deepEqual(link.state.condition, {
      state: 'down',
      reason: 'Backend a did not answer within 1000 ms',
    })
    channel.script = modernServer()
    await clock.advance(5000)
    assert.equal(link.state.condition.state, 'up')
    assert.ok(changes.includes('tools'))
    assert.equal(clock.pending, 0)
  })

  test('is asked for one sign of life at a time', async () => {
    const { clock, channel, ask } = setUp(modernServer(), { timeout: 60_000 })
    await ask()
    channel.script = (_method, exchange) => untilAborted(exchange.signal)
    for (let call = 0; call < 5; call++) {
      const caller = new AbortController()
      const hanging = assert.rejects(ask(caller.signal), { code: 'BACKEND_TIMEOUT' })
      caller.abort(new GatewayError('BACKEND_TIMEOUT', 'slow'))
      await hanging
      await clock.advance(8000)
    }
    assert.equal(channel.methods.filter((method) => method === 'server/discover').length, 1 + 1)
  })

  test('that is only slow stays up', async () => {
    const { clock, channel, link, ask, changes } = setUp(modernServer(), { timeout: 1000 })
    await ask()
    channel.script = (method, exchange) =>
      method === 'tools/list' ? untilAborted(exchange.signal) : modernServer()(method, exchange)
    const caller = new AbortController()
    const slow = assert.rejects(ask(caller.signal), { code: 'BACKEND_TIMEOUT' })
    caller.abort(new GatewayError('BACKEND_TIMEOUT', 'slow'))
    await slow
    await clock.advance(60_000)
    assert.equal(link.state.condition.state, 'up')
    assert.deepEqual(channel.methods, ['server/discover', 'tools/list', 'tools/list', 'server/discover'])
    assert.deepEqual(changes, [])
  })

  test('is not down because one call broke off, or because one caller left', async () => {
    const { channel, link, ask } = setUp(modernServer())
    await ask()
    channel.script = () => fail({ kind: 'broken', reason: 'connection lost' })
    await assert.rejects(ask(), { message: 'Backend a broke off: connection lost' })
    assert.equal(link.state.condition.state, 'up')
    await assert.rejects(ask(AbortSignal.abort(new GatewayError('CANCELLED', 'left'))), { code: 'CANCELLED' })
    assert.equal(link.state.condition.state, 'up')
  })
})

describe('a process that ends', () => {
  test('is connected anew', async () => {
    const { clock, channel, link, opened, ask } = setUp(legacyServer(), { transport: 'stdio', era: 'legacy' })
    await ask()
    link.onEnd('The process exited with code 1')
    assert.deepEqual(link.state.condition, { state: 'down', reason: 'The process exited with code 1' })
    await clock.advance(500)
    assert.equal(link.state.condition.state, 'up')
    assert.equal(opened.count, 2)
    assert.deepEqual(channel.methods, ['initialize', 'tools/list', 'initialize'])
    assert.equal(link.state.reconnects, 1)
  })

  test('because it was probed is not probed to death again', async () => {
    let lives = 0
    const { link, channel } = setUp(
      (method, exchange) => {
        if (method === 'server/discover') {
          lives++
          return fail({ kind: 'broken', reason: 'exited' })
        }
        return lives < 3 ? legacyServer()(method, exchange) : fail(REFUSED)
      },
      { transport: 'stdio' },
    )
    await link.speaker(LIVE)
    assert.equal(link.state.verdict?.era, 'legacy')
    link.onEnd('gone')
    await link.speaker(LIVE)
    assert.deepEqual(channel.methods, ['server/discover', 'initialize', 'initialize'])
  })

  test('without a word on the probe is taken for a legacy one in time', async () => {
    const { clock, link } = setUp(
      (method, exchange) =>
        method === 'server/discover' ? untilAborted(exchange.signal) : legacyServer()(method, exchange),
      { transport: 'stdio' },
    )
    const speaker = link.speaker(LIVE)
    await clock.advance(4999)
    assert.equal(link.state.verdict, undefined)
    await clock.advance(1)
    assert.equal((await speaker).identity.era, 'legacy')
  })
})

describe('the verdict about the era', () => {
  const failures = [
    [{ kind: 'status', status: 401, body: '' }, 'kept'],
    [{ kind: 'status', status: 403, body: '' }, 'kept'],
    [{ kind: 'status', status: 429, body: '' }, 'kept'],
    [{ kind: 'status', status: 503, body: '' }, 'kept'],
    [REFUSED, 'kept'],
    [{ kind: 'broken', reason: 'lost' }, 'kept'],
    [{ kind: 'status', status: 404, body: '' }, 'dropped'],
    [{ kind: 'protocol', reason: 'garbage' }, 'dropped'],
  ] as const
  for (const [failure, outcome] of failures) {
    const what = failure.kind === 'status' ? `status ${failure.status}` : failure.kind
    test(`is ${outcome} when connecting again fails with ${what}`, async () => {
      const { link, channel } = setUp(legacyServer())
      await link.speaker(LIVE)
      link.onEnd('gone')
      channel.script = () => fail(failure)
      await assert.rejects(link.speaker(LIVE), GatewayError)
      assert.equal(link.state.verdict?.era, outcome === 'kept' ? 'legacy' : undefined)
    })
  }

  test('is not asked for where the configuration pins the era', async () => {
    const legacy = setUp(legacyServer(), { era: 'legacy' })
    await legacy.link.speaker(LIVE)
    assert.deepEqual(legacy.channel.methods, ['initialize'])
    const modern = setUp(legacyServer(), { era: 'modern' })
    await assert.rejects(modern.link.speaker(LIVE), {
      code: 'BACKEND_PROTOCOL',
      message: /is configured as modern, but server\/discover answered error -32601/,
    })
    assert.deepEqual(modern.channel.methods, ['server/discover'])
  })

  const UPGRADED: Script = (method, exchange) =>
    method === 'server/discover'
      ? answer(exchange, { supportedVersions: ['2026-07-28'], capabilities: {} })
      : answer(exchange, {})
  const TEN_MINUTES = 600_000

  test('of a legacy server is looked at again from time to time, and calls in flight are left alone', async () => {
    const gate = Promise.withResolvers<void>()
    const slow: Script = async (method, exchange) => {
      if (method === 'slow') await gate.promise
      return legacyServer()(method, exchange)
    }
    const { clock, channel, link, changes } = setUp(slow)
    await link.speaker(LIVE)
    const since = clock.wallTime()
    await clock.advance(TEN_MINUTES)
    assert.deepEqual(channel.methods, ['server/discover', 'initialize', 'server/discover'])
    assert.deepEqual(link.state.verdict, { era: 'legacy', since: since + TEN_MINUTES })
    const inFlight = link.use((speaker) => speaker.ask('slow', '', LIVE), LIVE)
    await settled()
    channel.script = (method, exchange) => (method === 'slow' ? slow : UPGRADED)(method, exchange)
    const heard = changes.length
    await clock.advance(TEN_MINUTES)
    assert.equal(link.state.verdict?.era, 'modern')
    assert.equal((await link.speaker(LIVE)).identity.era, 'modern')
    assert.ok(changes.length > heard, 'everything may be different now')
    assert.deepEqual(channel.deleted, [], 'the session lives as long as its calls may')
    gate.resolve()
    assert.equal((await inFlight).kind, 'result')
    await clock.advance(30_000)
    assert.equal(channel.deleted.length, 1)
    await clock.advance(TEN_MINUTES)
    assert.equal(clock.pending, 0, 'a modern server is not asked again')
  })

  test('is kept where looking again says nothing, and looked at later', async () => {
    const { clock, channel, link } = setUp(legacyServer())
    await link.speaker(LIVE)
    const { verdict } = link.state
    for (const failure of [REFUSED, { kind: 'status', status: 503, body: '' }] as const) {
      channel.script = () => fail(failure)
      await clock.advance(TEN_MINUTES)
      assert.deepEqual([link.state.verdict, link.state.condition.state], [verdict, 'up'])
    }
    channel.script = UPGRADED
    await clock.advance(TEN_MINUTES)
    assert.equal(link.state.verdict?.era, 'modern')
  })

  test('of a process is looked at when it is started again, once it is old', async () => {
    const { clock, channel, link } = setUp(legacyServer(), { transport: 'stdio' })
    await link.speaker(LIVE)
    link.onEnd('gone')
    await clock.advance(500)
    assert.deepEqual(channel.methods, ['server/discover', 'initialize', 'initialize'])
    await clock.advance(2 * TEN_MINUTES)
    assert.equal(channel.methods.length, 3, 'a running process is not asked')
    channel.script = UPGRADED
    link.onEnd('gone')
    await clock.advance(500)
    assert.equal((await link.speaker(LIVE)).identity.era, 'modern')
  })

  test('that is pinned is never looked at', async () => {
    const { clock, channel, link } = setUp(legacyServer(), { era: 'legacy' })
    await link.speaker(LIVE)
    await clock.advance(10 * TEN_MINUTES)
    assert.deepEqual(channel.methods, ['initialize'])
    assert.equal(clock.pending, 0)
  })

  test('is dated', async () => {
    const { clock, link } = setUp(legacyServer())
    await clock.advance(1234)
    await link.speaker(LIVE)
    assert.deepEqual(link.state.verdict, { era: 'legacy', since: clock.wallTime() })
  })
})

describe('closing', () => {
  test('while connecting ends the attempt, tries nothing again and takes nobody on', async () => {
    const { clock, channel, link } = setUp((_method, exchange) => untilAborted(exchange.signal))
    const waiting = assert.rejects(link.speaker(LIVE), { code: 'DRAINING' })
    await settled()
    await link.close()
    await waiting
    assert.equal(clock.pending, 0)
    await assert.rejects(link.speaker(LIVE), { code: 'DRAINING' })
    link.onEnd('the channel was closed')
    assert.equal(clock.pending, 0)
    assert.equal(channel.requests.length, 1)
  })

  test('cancels the next try and ends the session politely', async () => {
    const { channel, link, clock } = setUp(legacyServer(), { era: 'legacy' })
    await link.speaker(LIVE)
    channel.script = () => fail(REFUSED)
    await assert.rejects(link.use((speaker: Speaker) => speaker.ask('x', '', LIVE), LIVE))
    assert.equal(clock.pending, 1)
    await link.close()
    assert.equal(clock.pending, 0)
    assert.deepEqual(channel.deleted, [{ 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': 's1' }])
  })
})

describe('watching', () => {
  const announcing = { tools: { listChanged: true } }
  const watched: Script = (method, exchange) => {
    if (method === 'server/discover')
      return answer(exchange, { supportedVersions: ['2026-07-28'], capabilities: announcing })
    return method === 'subscriptions/listen' ? untilAborted(exchange.signal) : answer(exchange, {})
  }

  test('a stream that breaks is opened again with growing pauses, and leaves nothing behind', async () => {
    const { clock, channel, link, changes } = setUp(watched)
    await link.speaker(LIVE)
    await settled()
    assert.deepEqual(channel.methods, ['server/discover', 'subscriptions/listen'])
    channel.script = (method, exchange) =>
      method === 'subscriptions/listen' ? fail({ kind: 'broken', reason: 'lost' }) : watched(method, exchange)
    const again = setUp(channel.script)
    await again.link.speaker(LIVE)
    const opened = (): number =>
      again.channel.methods.filter((method) => method === 'subscriptions/listen').length
    await settled()
    assert.equal(opened(), 1)
    await again.clock.advance(500)
    assert.equal(opened(), 2)
    await again.clock.advance(1000)
    assert.equal(opened(), 3)
    assert.ok(again.changes.includes('tools'), 'what was announced meanwhile is lost')
    assert.equal(changes.length, 0)
    await again.clock.advance(600_000)
    const stream = again.channel.requests.at(-1)?.signal
    assert.ok(
      stream instanceof AbortSignal && getEventListeners(stream, 'abort').length < 5,
      'pauses leave no listeners',
    )
    await Promise.all([link.close(), again.link.close()])
    await settled()
    assert.equal(clock.pending + again.clock.pending, 0)
  })

  test('is given up where the backend does not know such a stream', async () => {
    const { clock, channel, link } = setUp((method, exchange) =>
      method === 'subscriptions/listen' ? refuse(exchange, -32601) : watched(method, exchange),
    )
    await link.speaker(LIVE)
    await clock.advance(60_000)
    assert.equal(channel.methods.filter((method) => method === 'subscriptions/listen').length, 1)
  })

  test('finds out that the backend is gone, and that it is back', async () => {
    let isGone = false
    const stream = Promise.withResolvers<never>()
    const { clock, channel, link, changes } = setUp((method, exchange) => {
      if (isGone) return fail(REFUSED)
      if (method !== 'subscriptions/listen') return watched(method, exchange)
      void exchange.onNotification(
        notificationOf(
          '{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true}}}',
        ),
      )
      return stream.promise
    })
    await link.speaker(LIVE)
    await settled()
    isGone = true
    stream.reject(new ChannelError({ kind: 'broken', reason: 'lost' }))
    await clock.advance(500)
    assert.equal(link.state.condition.state, 'down')
    assert.ok(changes.includes('tools'), 'its lists are those of a backend that is away')
    changes.length = 0
    isGone = false
    await clock.advance(30_000)
    assert.equal(link.state.condition.state, 'up')
    assert.ok(changes.includes('tools'))
    assert.equal(channel.methods.at(-1), 'subscriptions/listen')
  })
})

test('an error of the gateway’s own passes through as it is', async () => {
  const { link } = setUp(modernServer())
  const bug = new TypeError('bug')
  await assert.rejects(
    link.use(() => Promise.reject(bug), LIVE),
    (error) => error === bug,
  )
  const protocol = new ChannelError({ kind: 'protocol', reason: 'answered garbage' })
  await assert.rejects(
    link.use(() => Promise.reject(protocol), LIVE),
    { code: 'BACKEND_PROTOCOL', cause: protocol },
  )
})
