import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { StdioBackendConfig } from '../../config/types.ts'
import { valueOf } from '../../protocol/json.ts'
import { type Answer, ChannelError, type ChannelFailure } from '../channel.ts'
import { type StdioChannel, openStdioChannel } from './channel.ts'
import {
  collect,
  exchangeOf,
  type Logged,
  recordEvents,
  runs,
  serverConfig,
  testPorts,
} from './fixtures/kit.test.ts'
import type { StdioPorts } from './ports.ts'

interface Opened {
  readonly channel: StdioChannel
  readonly events: ReturnType<typeof recordEvents>
  readonly logged: Logged[]
}

async function open(
  t: TestContext,
  config: Partial<StdioBackendConfig> = {},
  ports: Partial<StdioPorts> = {},
): Promise<Opened> {
  const all = testPorts(ports)
  const events = recordEvents()
  const channel = await openStdioChannel(serverConfig(config), all, events)
  t.after(() => channel.close())
  return { channel, events, logged: all.logged }
}

function resultOf({ message }: Answer): Record<string, unknown> {
  assert.equal(message.kind, 'result')
  return valueOf(message.text, message.result) as Record<string, unknown>
}

/** The failure that an exchange ends with. */
async function failureOf(answer: Promise<unknown>): Promise<ChannelFailure> {
  const error: unknown = await answer.then(
    () => assert.fail('It was answered'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ChannelError, String(error))
  return error.failure
}

function methodsOf(messages: readonly { readonly kind: string; readonly text: string }[]): unknown[] {
  return messages.map(({ text }) => (JSON.parse(text) as { method: unknown }).method)
}

describe('answers', { timeout: 30_000 }, () => {
  test('reach the exchange of their id, whatever the order', async (t) => {
    const { channel } = await open(t)
    const [one, two] = await Promise.all([
      channel.exchange(exchangeOf('echo', { n: 1 })),
      channel.exchange(exchangeOf('echo', { n: 2 })),
    ])
    assert.equal(resultOf(one)['n'], 1)
    assert.equal(resultOf(two)['n'], 2)
    assert.deepEqual([one.status, one.session], [200, undefined])
  })

  test('keep the type of the id', async (t) => {
    const { channel } = await open(t)
    let settled = false
    const number = channel.exchange(exchangeOf('never', {}, { id: '77' })).catch(() => (settled = true))
    const text = '{"jsonrpc":"2.0","id":"77",\n"method":"echo","params":{"n":1}}'
    assert.equal(resultOf(await channel.exchange(exchangeOf('echo', {}, { id: '"77"', text })))['n'], 1)
    assert.equal(settled, false)
    await channel.close()
    await number
  })

  test('that nothing waits for are dropped', async (t) => {
    const { channel, logged } = await open(t)
    assert.equal(resultOf(await channel.exchange(exchangeOf('twice')))['first'], true)
    const unanswered = channel.exchange(exchangeOf('wrong'))
    unanswered.catch(() => undefined)
    await channel.exchange(exchangeOf('echo'))
    const dropped = logged.filter(({ message }) => message.startsWith('Dropped'))
    assert.deepEqual(
      dropped.map(({ level, fields }) => [level, fields['backend'], fields['id'] === '"nobody"']),
      [
        ['debug', 'fixture', false],
        ['debug', 'fixture', true],
      ],
    )
  })

  test('that are no responses fail their exchange at once', async (t) => {
    const { channel } = await open(t)
    const failure = await failureOf(channel.exchange(exchangeOf('bad')))
    assert.equal(failure.kind, 'protocol')
  })

  test('are found between garbage, which is logged without control characters', async (t) => {
    const { channel, logged } = await open(t)
    await channel.exchange(exchangeOf('garbage'))
    const warnings = logged.filter(({ level }) => level === 'warn')
    assert.equal(warnings.length, 5)
    assert.equal(warnings[0]?.fields['line'], 'Listening \\x1b[31mnow')
    assert.equal(warnings[4]?.fields['line'], undefined, 'what may be a message is not logged')
  })

  test('are found however much garbage there is, which is logged at a bounded rate', async (t) => {
    const { channel, logged } = await open(t)
    for (let i = 0; i < 10; i++) await channel.exchange(exchangeOf('garbage'))
    assert.ok(logged.filter(({ level }) => level === 'warn').length <= 11)
  })
})

describe('notifications', { timeout: 30_000 }, () => {
  test('with a progress token reach its exchange, before the answer', async (t) => {
    const { channel, events } = await open(t)
    const mine = collect(3)
    const other = collect(1)
    await Promise.all([
      channel.exchange(exchangeOf('progress', { count: 3 }, { onNotification: mine.take })),
      channel.exchange(exchangeOf('progress', { count: 0 }, { onNotification: other.take })),
    ])
    assert.deepEqual([mine.taken.length, other.taken.length], [3, 0])
    assert.deepEqual(events.messages, [])
  })

  test('of a subscription reach its exchange', async (t) => {
    const { channel, events } = await open(t)
    const mine = collect(2)
    await channel.exchange(exchangeOf('listen', {}, { onNotification: mine.take }))
    assert.deepEqual(methodsOf(mine.taken), ['notifications/tools/list_changed', 'notifications/cancelled'])
    assert.deepEqual(events.messages, [])
  })

  test('of nobody, and requests of the server, go to the channel; late progress to nobody', async (t) => {
    const { channel, events } = await open(t)
    const mine = collect(1)
    await channel.exchange(exchangeOf('others', {}, { onNotification: mine.take }))
    const methods = ['notifications/tools/list_changed', 'notifications/message', 'roots/list']
    assert.deepEqual(methodsOf(events.messages), methods)
    assert.deepEqual(mine.taken, [])
  })

  test('wait for a slow reader, the answer after them', async (t) => {
    const { channel } = await open(t)
    const gate = Promise.withResolvers<void>()
    const seen: string[] = []
    const onNotification = async ({ text }: { text: string }): Promise<void> => {
      await gate.promise
      seen.push(text)
    }
    const slow = channel.exchange(exchangeOf('progress', { count: 5 }, { onNotification }))
    const settled = slow.then(() => seen.length)
    assert.equal(resultOf(await channel.exchange(exchangeOf('echo', { n: 1 })))['n'], 1)
    assert.deepEqual(seen, [])
    gate.resolve()
    assert.equal(await settled, 5)
  })

  test('after the answer are dropped, as is a second answer, even while the first waits', async (t) => {
    const { channel } = await open(t)
    const gate = Promise.withResolvers<void>()
    let seen = 0
    const onNotification = async (): Promise<void> => {
      await gate.promise
      seen++
    }
    const slow = channel.exchange(exchangeOf('progressTwice', { count: 2 }, { onNotification }))
    await channel.exchange(exchangeOf('echo'))
    gate.resolve()
    assert.deepEqual(resultOf(await slow), {})
    assert.equal(seen, 2)
  })

  test('too many for a slow reader end that exchange only', async (t) => {
    const { channel } = await open(t, {}, { limits: { reply: 1_000_000, depth: 64, queue: 4 } })
    const stuck = (): Promise<void> => new Promise(() => undefined)
    const slow = channel.exchange(exchangeOf('progress', { count: 6 }, { onNotification: stuck }))
    const other = channel.exchange(exchangeOf('progress', { count: 600 }))
    await assert.rejects(slow, {
      code: 'SLOW_CONSUMER',
      message: 'The client left 4 messages of the call unread',
    })
    await other
  })

  test('that their taker cannot bear end that exchange only', async (t) => {
    const { channel } = await open(t)
    const onNotification = (): undefined => {
      throw new Error('cannot')
    }
    await assert.rejects(
      channel.exchange(exchangeOf('progress', { count: 2 }, { onNotification })),
      /^Error: cannot$/,
    )
    await channel.exchange(exchangeOf('echo'))
  })
})

describe('cancellation', { timeout: 30_000 }, () => {
  const received = async (channel: StdioChannel): Promise<string[]> =>
    resultOf(await channel.exchange(exchangeOf('received')))['notifications'] as string[]

  test('rejects with the reason of the signal and tells the server', async (t) => {
    const { channel } = await open(t)
    const controller = new AbortController()
    const exchange = exchangeOf('never', {}, { signal: controller.signal })
    const answer = channel.exchange(exchange)
    const reason = new Error('enough')
    controller.abort(reason)
    await assert.rejects(answer, reason)
    const [line = ''] = await received(channel)
    assert.deepEqual(JSON.parse(line), {
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: Number(exchange.id) },
    })
  })

  test('does not tell the server about initialize, nor about what it answered or never got', async (t) => {
    const { channel } = await open(t)
    const controller = new AbortController()
    const { signal } = controller
    const answer = channel.exchange(exchangeOf('initialize', {}, { signal }))
    await channel.exchange(exchangeOf('echo', {}, { signal }))
    controller.abort(new Error('enough'))
    await assert.rejects(answer, /enough/)
    await assert.rejects(channel.exchange(exchangeOf('echo', {}, { signal })), /enough/)
    const lines = await received(channel)
    assert.deepEqual(methodsOf(lines.map((text) => ({ kind: '', text }))), ['initialize'])
  })

  test('works while the answer waits for a slow reader', async (t) => {
    const { channel } = await open(t)
    const controller = new AbortController()
    const stuck = (): Promise<void> => new Promise(() => undefined)
    const options = { signal: controller.signal, onNotification: stuck }
    const answer = channel.exchange(exchangeOf('progress', { count: 1 }, options))
    await channel.exchange(exchangeOf('echo'))
    controller.abort(new Error('enough'))
    await assert.rejects(answer, /enough/)
    assert.deepEqual(await received(channel), [])
  })
})

describe('a process that does not read', { timeout: 30_000 }, () => {
  test('holds up only exchanges that wait for it, within bounds', async (t) => {
    const { channel } = await open(t, {}, { limits: { reply: 1_000_000, depth: 64, queue: 256 } })
    await channel.exchange(exchangeOf('deaf'))
    const controller = new AbortController()
    const { signal } = controller
    const big = { text: 'x'.repeat(1_000_000) }
    const outcomes: Promise<string>[] = []
    for (let i = 0; i < 40; i++) {
      const answer = channel.exchange(exchangeOf('echo', big, { signal }))
      outcomes.push(answer.then(String, (error: unknown) => (error as Error).message))
    }
    const refused = 'The process does not read its input'
    assert.equal(await outcomes.at(-1), refused)
    await assert.rejects(
      channel.notify('{"jsonrpc":"2.0","method":"x","params":' + JSON.stringify(big) + '}', {}),
    )
    controller.abort(new Error('enough'))
    const all = await Promise.all(outcomes)
    assert.deepEqual(new Set(all), new Set(['enough', refused]))
    const again = channel.exchange(exchangeOf('echo', big, { signal: AbortSignal.timeout(50) }))
    await assert.rejects(again, { name: 'TimeoutError' }, 'there is room again')
  })

  test('never gets what was said not to have been sent', async (t) => {
    // It reads when it is told to while it is stopped, and writes on standard error what it got.
    const code = `process.on('SIGUSR2', () => process.stdin.on('data', (d) => console.error(d.length)))
      process.stdin.on('end', () => process.exit())
      console.log('{"jsonrpc":"2.0","method":"ready"}')
      setInterval(() => undefined, 1000)`
    const { channel, events, logged } = await open(t, { args: ['-e', code] }, { grace: 10_000 })
    while (events.messages.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const big = { text: 'x'.repeat(1_000_000) }
    const kinds = [1, 2, 3].map(async () => (await failureOf(channel.exchange(exchangeOf('echo', big)))).kind)
    const closing = channel.close()
    process.kill(channel.pid, 'SIGUSR2')
    await closing
    assert.deepEqual(await Promise.all(kinds), ['broken', 'unreachable', 'unreachable'])
    const got = logged.reduce((sum, { message }) => sum + (Number(message) || 0), 0)
    assert.ok(got > 1_000_000 && got < 1_100_000, String(got))
  })

  test('distinguishes what it may have read from what it cannot', async (t) => {
    const { channel } = await open(t)
    await channel.exchange(exchangeOf('deaf'))
    const big = { text: 'x'.repeat(1_000_000) }
    const first = failureOf(channel.exchange(exchangeOf('echo', big)))
    const second = failureOf(channel.exchange(exchangeOf('echo', big)))
    process.kill(channel.pid, 'SIGKILL')
    assert.deepEqual([(await first).kind, (await second).kind], ['broken', 'unreachable'])
  })
})

describe('the end', { timeout: 30_000 }, () => {
  test('rejects what is under way with how the process ended, and tells its last words to the operator alone', async (t) => {
    const { channel, events } = await open(t)
    const never = failureOf(channel.exchange(exchangeOf('never')))
    const died = failureOf(channel.exchange(exchangeOf('die')))
    const reason = 'The process exited with code 3'
    assert.deepEqual(await died, { kind: 'broken', reason })
    assert.deepEqual(await never, { kind: 'broken', reason })
    assert.equal(await events.ended, reason)
    assert.equal(events.detail(), 'Error: boom')
    assert.deepEqual(await failureOf(channel.exchange(exchangeOf('echo'))), { kind: 'unreachable', reason })
    await assert.rejects(channel.notify('{"jsonrpc":"2.0","method":"x"}', {}), ChannelError)
  })

  test('by a signal is named', async (t) => {
    const { channel, events } = await open(t)
    process.kill(channel.pid, 'SIGKILL')
    assert.equal(await events.ended, 'The process was ended by SIGKILL')
  })

  test('comes when the process closes its output and stays', async (t) => {
    const { channel, events } = await open(t)
    const failure = await failureOf(channel.exchange(exchangeOf('closeOutput')))
    assert.deepEqual(failure, { kind: 'broken', reason: 'The process closed its output' })
    await events.ended
    await channel.close()
    assert.equal(runs(channel.pid), false)
  })

  test('comes when a line never ends, at once', async (t) => {
    const { args } = serverConfig()
    const { channel, events } = await open(t, { args: [...args, 'stubborn'] }, { grace: 60_000 })
    const flooded = failureOf(channel.exchange(exchangeOf('flood')))
    const reason = 'The process wrote a line of more than 1000000 bytes'
    assert.deepEqual(await flooded, { kind: 'protocol', reason })
    assert.equal(await events.ended, reason)
    await channel.close()
    assert.equal(runs(channel.pid), false)
  })

  test('by close is no event', async (t) => {
    const { channel, events } = await open(t)
    let heard = false
    void events.ended.then(() => (heard = true))
    const pending = failureOf(channel.exchange(exchangeOf('never')))
    await channel.close()
    assert.equal((await pending).kind, 'broken')
    assert.deepEqual([heard, runs(channel.pid)], [false, false])
  })
})
