import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock, settled } from '../../test/support/fake-clock.ts'
import { identity, notificationOf } from '../../test/support/scripted.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import {
  type Change,
  NOTHING,
  type SubscriptionFilter,
  changeNotification,
} from '../protocol/subscription.ts'
import type { BackendSubscription } from './backend.ts'
import { ChannelError } from './channel.ts'
import { type Speaker, StaleSpeakerError, type SubscriptionListener } from './speaker.ts'
import { EVERYBODY, createSubscriptions } from './subscriptions.ts'

const EVERYTHING = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
}
const filter = (lists: SubscriptionFilter['lists'], ...resources: string[]): SubscriptionFilter => ({
  lists,
  resources,
  tasks: [],
})
const lost = (): ChannelError => new ChannelError({ kind: 'broken', reason: 'lost' })

function subjectOf(change: Change): string {
  if (change.kind === 'list') return change.list
  return change.kind === 'task' ? change.taskId : change.uri
}

/** A stream that the test plays the backend of. */
interface Opened {
  readonly filter: SubscriptionFilter
  readonly listener: SubscriptionListener
  readonly signal: AbortSignal
  end(error?: Error): void
}

function setUp(capabilities: Readonly<Record<string, unknown>> = EVERYTHING) {
  const clock = createFakeClock()
  const streams: Opened[] = []
  const failures: unknown[] = []
  const stale: unknown[] = []
  const subscriptions = createSubscriptions({
    clock,
    random: () => 1,
    onStale: (_speaker, error) => stale.push(error),
    onFailure: (error) => failures.push(error),
  })
  const speaker = {
    identity: identity({ capabilities }),
    async subscribe(asked: SubscriptionFilter, listener: SubscriptionListener, signal: AbortSignal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const end = (error?: Error): void => (error === undefined ? resolve() : reject(error))
      streams.push({ filter: asked, listener, signal, end })
      await unlessAborted(promise, signal)
    },
  } as unknown as Speaker
  const seen: string[] = []
  const follow = (name: string, asked: SubscriptionFilter, context = EVERYBODY): BackendSubscription =>
    subscriptions.subscribe(asked, {
      context,
      onChange: (change) => seen.push(`${name} ${subjectOf(change)}`),
    })
  const acknowledge = (stream: Opened | undefined, honoured = stream?.filter): void => {
    if (honoured !== undefined) stream?.listener.onOpen(honoured)
  }
  const announce = (stream: Opened | undefined, uri: string): void =>
    stream?.listener.onChange(changeNotification({ kind: 'resource', uri }))
  const taken = (): string[] => seen.splice(0)
  return { clock, streams, failures, stale, subscriptions, speaker, follow, acknowledge, announce, taken }
}

describe('those who follow one backend', () => {
  test('share one stream that carries what all of them ask for, and each hears what it asked for', async () => {
    const { streams, subscriptions, speaker, follow, acknowledge, announce, taken } = setUp()
    const a = follow('a', filter(['tools'], 'x:1'))
    const b = follow('b', filter(['tools', 'prompts'], 'x:2'))
    assert.equal(streams.length, 0, 'nothing is opened before the backend is there')
    subscriptions.attach(speaker)
    assert.deepEqual(
      streams.map((stream) => stream.filter),
      [filter(['tools', 'prompts'], 'x:1', 'x:2')],
    )
    acknowledge(streams[0])
    assert.deepEqual(await a.honoured, filter(['tools'], 'x:1'))
    assert.deepEqual(await b.honoured, filter(['tools', 'prompts'], 'x:2'))
    announce(streams[0], 'x:1')
    announce(streams[0], 'x:2/sub')
    announce(streams[0], 'x:3')
    streams[0]?.listener.onChange(changeNotification({ kind: 'list', list: 'tools' }))
    streams[0]?.listener.onChange(changeNotification({ kind: 'list', list: 'resources' }))
    streams[0]?.listener.onChange(notificationOf('{"jsonrpc":"2.0","method":"notifications/progress"}'))
    assert.deepEqual(taken(), ['a x:1', 'b x:2/sub', 'a tools', 'b tools'])
  })

  test('are told what the backend honours, which may be less than they asked for', async () => {
    const { streams, subscriptions, speaker, follow, acknowledge } = setUp({ ...EVERYTHING, prompts: {} })
    subscriptions.attach(speaker)
    const one = follow('a', filter(['tools', 'prompts'], 'x:1', 'x:2'))
    assert.deepEqual(
      streams[0]?.filter,
      filter(['tools'], 'x:1', 'x:2'),
      'only what it declares is asked for',
    )
    acknowledge(streams[0], filter(['tools', 'resources'], 'x:2', 'y'))
    assert.deepEqual(await one.honoured, filter(['tools'], 'x:2'))
    const idle = follow('b', filter(['prompts']))
    assert.deepEqual(await idle.honoured, filter([]))
    assert.equal(streams.length, 1)
  })

  test('hear of the tasks that they named', async () => {
    const extensions = { 'io.modelcontextprotocol/tasks': {} }
    const { streams, subscriptions, speaker, follow, acknowledge, taken } = setUp({ extensions })
    const a = follow('a', { ...NOTHING, tasks: ['1', '2'] })
    follow('b', { ...NOTHING, tasks: ['2'] })
    subscriptions.attach(speaker)
    assert.deepEqual(streams[0]?.filter, { ...NOTHING, tasks: ['1', '2'] })
    acknowledge(streams[0], { ...NOTHING, tasks: ['2', '3'] })
    assert.deepEqual(await a.honoured, { ...NOTHING, tasks: ['2'] })
    for (const id of ['1', '2', '3']) {
      const text = `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"${id}"}}`
      streams[0]?.listener.onChange(notificationOf(text))
    }
    assert.deepEqual(taken(), ['a 1', 'a 2', 'b 2'])
  })

  test('of different contexts share nothing', () => {
    const { streams, subscriptions, speaker, follow } = setUp()
    subscriptions.attach(speaker)
    follow('a', filter(['tools']), 'alice')
    follow('b', filter(['tools']), 'bob')
    assert.equal(streams.length, 2)
  })

  test('are heard of again when somebody asks for more: the new stream is there before the old one ends', async () => {
    const { streams, subscriptions, speaker, follow, acknowledge, announce, taken } = setUp()
    subscriptions.attach(speaker)
    follow('a', filter([], 'x:1'))
    acknowledge(streams[0])
    const b = follow('b', filter([], 'x:2'))
    follow('c', filter([], 'x:3'))
    assert.deepEqual(
      streams.map((stream) => stream.filter.resources),
      [['x:1'], ['x:1', 'x:2']],
    )
    announce(streams[1], 'x:1')
    assert.deepEqual(taken(), [], 'one stream speaks at a time')
    announce(streams[0], 'x:1')
    assert.deepEqual(taken(), ['a x:1'])
    assert.equal(streams[0]?.signal.aborted, false)
    acknowledge(streams[1])
    assert.equal(streams[0]?.signal.aborted, true)
    assert.deepEqual((await b.honoured).resources, ['x:2'])
    announce(streams[0], 'x:1')
    announce(streams[1], 'x:2')
    assert.deepEqual(taken(), ['b x:2'])
    assert.deepEqual(streams[2]?.filter.resources, ['x:1', 'x:2', 'x:3'], 'whoever came meanwhile is next')
    await settled()
    assert.deepEqual(taken(), [])
  })

  test('let the stream shrink a while after somebody left, and end with the last of them', async () => {
    const { clock, streams, subscriptions, speaker, follow, acknowledge } = setUp()
    subscriptions.attach(speaker)
    const a = follow('a', filter([], 'x:1'))
    const b = follow('b', filter([], 'x:2'))
    acknowledge(streams[0])
    acknowledge(streams[1])
    b.close()
    b.close()
    await clock.advance(9999)
    assert.equal(streams.length, 2)
    await clock.advance(1)
    assert.deepEqual(streams[2]?.filter.resources, ['x:1'])
    acknowledge(streams[2])
    a.close()
    assert.equal(streams[2]?.signal.aborted, true)
    await settled()
    assert.equal(clock.pending, 0)
    assert.equal(streams.length, 3)
  })
})

describe('a stream that is lost', () => {
  test('is opened again with growing pauses; what may have been missed is told when it is there', async () => {
    const { clock, streams, failures, subscriptions, speaker, follow, acknowledge, taken } = setUp()
    subscriptions.attach(speaker)
    follow('a', filter(['tools'], 'x:1'))
    acknowledge(streams[0])
    streams[0]?.end(lost())
    await clock.advance(499)
    assert.equal(streams.length, 1)
    await clock.advance(1)
    assert.equal(streams.length, 2)
    assert.deepEqual(taken(), [])
    streams[1]?.end(lost())
    await clock.advance(999)
    assert.deepEqual(taken(), ['a tools'], 'nobody can say when it will be there')
    assert.equal(streams.length, 2)
    await clock.advance(1)
    acknowledge(streams[2])
    assert.deepEqual(taken(), ['a tools', 'a x:1'])
    assert.equal(failures.length, 2)
  })

  for (const [what, error] of [
    ['in good order', undefined],
    ['by a failure', lost()],
  ] as const) {
    test(`at once ${what} is opened again for ever, but ever more slowly`, async () => {
      const { clock, streams, subscriptions, speaker, follow, acknowledge } = setUp()
      subscriptions.attach(speaker)
      follow('a', filter(['tools']))
      for (let minute = 0; minute < 10; minute++) {
        acknowledge(streams.at(-1))
        streams.at(-1)?.end(error)
        await clock.advance(30_000)
      }
      assert.ok(streams.length >= 10 && streams.length < 25, String(streams.length))
    })
  }

  test('after a long life is opened again soon', async () => {
    const { clock, streams, subscriptions, speaker, follow, acknowledge } = setUp()
    subscriptions.attach(speaker)
    follow('a', filter(['tools']))
    for (let times = 0; times < 8; times++) {
      acknowledge(streams.at(-1))
      await clock.advance(31_000)
      streams.at(-1)?.end()
      await clock.advance(500)
      assert.equal(streams.length, times + 2)
    }
  })

  test('without being acknowledged in time is given up', async () => {
    const { clock, streams, subscriptions, speaker, follow } = setUp()
    subscriptions.attach(speaker)
    follow('a', filter(['tools']))
    await clock.advance(29_999)
    assert.equal(streams[0]?.signal.aborted, false)
    await clock.advance(501)
    assert.equal(streams[0]?.signal.aborted, true)
    assert.equal(streams.length, 2)
  })

  test('because the session is gone is the business of the link', async () => {
    const { clock, streams, stale, subscriptions, speaker, follow } = setUp()
    subscriptions.attach(speaker)
    follow('a', filter(['tools']))
    streams[0]?.end(new StaleSpeakerError('session', 'gone'))
    await clock.advance(60_000)
    assert.equal(stale.length, 1)
    assert.equal(streams.length, 1)
  })

  test('because every session is gone at once is opened again with growing pauses', async () => {
    const { clock, streams, stale, subscriptions, speaker, follow } = setUp()
    follow('a', filter(['tools']))
    const loseSession = async (): Promise<void> => {
      streams.at(-1)?.end(new StaleSpeakerError('session', 'HTTP status 400'))
      await settled()
      subscriptions.detach()
      subscriptions.attach(speaker)
    }
    subscriptions.attach(speaker)
    await loseSession()
    assert.equal(streams.length, 2, 'once may be an accident')
    for (const [index, pause] of [500, 1000, 2000].entries()) {
      await loseSession()
      await clock.advance(pause - 1)
      assert.equal(streams.length, index + 2, `after less than ${pause} ms`)
      await clock.advance(1)
      assert.equal(streams.length, index + 3, `after ${pause} ms`)
    }
    assert.equal(stale.length, 4)
  })

  test('is opened without waiting any longer once the backend answers again', async () => {
    const { clock, streams, subscriptions, speaker, follow } = setUp()
    subscriptions.attach(speaker)
    follow('a', filter(['tools']))
    streams[0]?.end(lost())
    await settled()
    subscriptions.revive()
    assert.equal(streams.length, 2)
    await clock.advance(600)
    assert.equal(streams.length, 2, 'the pause is over')
  })
})

describe('a backend that is connected again', () => {
  test('is followed again, and everything may have changed', () => {
    const { streams, subscriptions, speaker, follow, acknowledge, taken } = setUp()
    follow('a', filter(['tools'], 'x:1'))
    subscriptions.attach(speaker)
    acknowledge(streams[0])
    assert.deepEqual(taken(), [], 'the first time nothing was missed')
    subscriptions.detach()
    assert.equal(streams[0]?.signal.aborted, true)
    subscriptions.attach(speaker)
    assert.deepEqual(taken(), ['a tools'])
    acknowledge(streams[1])
    assert.deepEqual(taken(), ['a tools', 'a x:1'])
  })

  test('that announces nothing is looked at all the same', () => {
    const { streams, subscriptions, speaker, follow, taken } = setUp({ tools: {} })
    follow('a', filter(['tools'], 'x:1'))
    subscriptions.attach(speaker)
    subscriptions.detach()
    subscriptions.attach(speaker)
    assert.deepEqual(taken(), ['a tools'])
    assert.equal(streams.length, 0)
  })
})

test('what is announced outside of streams goes to whoever asked for it', () => {
  const { subscriptions, follow, taken } = setUp()
  follow('a', filter(['tools'], 'x:1'))
  follow('b', filter(['prompts']), 'bob')
  subscriptions.take(changeNotification({ kind: 'list', list: 'prompts' }))
  subscriptions.take(changeNotification({ kind: 'resource', uri: 'x:1' }))
  subscriptions.take(notificationOf('{"jsonrpc":"2.0","method":"notifications/message"}'))
  subscriptions.suspectLists()
  assert.deepEqual(taken(), ['b prompts', 'a x:1', 'a tools', 'b prompts'])
})

test('closing ends every stream and leaves no timer', async () => {
  const { clock, streams, subscriptions, speaker, follow, acknowledge } = setUp()
  subscriptions.attach(speaker)
  follow('a', filter(['tools']))
  follow('b', filter(['tools']), 'bob')
  acknowledge(streams[0])
  streams[1]?.end(lost())
  await settled()
  subscriptions.close()
  await settled()
  assert.equal(streams[0]?.signal.aborted, true)
  assert.equal(clock.pending, 0)
})
