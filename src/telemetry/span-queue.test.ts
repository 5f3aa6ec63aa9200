import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import type { LogFields } from '../pipeline/log.ts'
import { SendError, type SpanSender, createSpanQueue } from './span-queue.ts'
import type { SpanData } from './spans.ts'

const SPAN: SpanData = {
  kind: 'server',
  name: 'tools/list',
  own: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), flags: 1, isRemote: false },
  parent: undefined,
  tracestate: undefined,
  start: 0,
  end: 1,
  attributes: {},
  events: [],
  links: [],
  failure: undefined,
}

function setUp(
  send: (spans: readonly SpanData[]) => Promise<void> = () => Promise.resolve(),
  capacity = 1000,
) {
  const clock = createFakeClock()
  const said: (LogFields | undefined)[] = []
  const sent: number[] = []
  let opened = 0
  const sender: SpanSender = {
    send: async (spans) => {
      sent.push(spans.length)
      await send(spans)
    },
    close: () => Promise.resolve(),
  }
  const queue = createSpanQueue({
    open: () => {
      opened++
      return Promise.resolve(sender)
    },
    clock,
    log: (_level, _message, fields) => void said.push(fields),
    capacity,
    interval: 5000,
    patience: 10_000,
  })
  return { queue, clock, said, sent, opened: () => opened }
}

describe('spans that wait', () => {
  test('are sent together after a while, by what is loaded only then', async () => {
    const { queue, clock, sent, opened } = setUp()
    queue.add([SPAN, SPAN])
    queue.add([SPAN])
    await clock.advance(4999)
    assert.deepEqual([sent, opened()], [[], 0])
    await clock.advance(1)
    assert.deepEqual([sent, opened()], [[3], 1])
  })

  test('are sent at once where there are many', async () => {
    const { queue, clock, sent } = setUp()
    for (let index = 0; index < 300; index++) queue.add([SPAN, SPAN])
    await clock.advance(0)
    assert.deepEqual(sent, [512])
    await clock.advance(5000)
    assert.deepEqual(sent, [512, 88])
  })

  test('are never more than fit, and what does not fit is counted', async () => {
    const stuck = Promise.withResolvers<void>()
    const { queue, clock, said, sent } = setUp(() => stuck.promise, 600)
    for (let index = 0; index < 2000; index++) queue.add([SPAN])
    await clock.advance(0)
    for (let index = 0; index < 2000; index++) queue.add([SPAN])
    assert.deepEqual(sent, [512])
    assert.deepEqual(said, [{ reason: 'the queue is full', spans: 1 }])
    await clock.advance(60_000)
    queue.add([SPAN])
    assert.equal(said.length, 2)
    assert.ok(Number(said[1]?.['spans']) > 2000)
  })

  test('that cannot be sent are lost, which is said once in a while and without what anybody said', async () => {
    const { queue, clock, said } = setUp(() =>
      Promise.reject(new SendError('the collector answered with HTTP status 500')),
    )
    for (let round = 0; round < 5; round++) {
      queue.add([SPAN])
      await clock.advance(5000)
    }
    assert.deepEqual(said, [{ reason: 'the collector answered with HTTP status 500', spans: 1 }])
    const other = setUp(() => Promise.reject(new Error('secret words')))
    other.queue.add([SPAN])
    await other.clock.advance(5000)
    assert.deepEqual(other.said, [{ reason: 'the exporter failed', spans: 1 }])
  })

  test('are sent at the end, which waits for a collector only so long', async () => {
    const good = setUp()
    good.queue.add([SPAN])
    await good.queue.close()
    assert.deepEqual(good.sent, [1])
    const stuck = setUp(() => new Promise(() => undefined))
    stuck.queue.add([SPAN])
    const closed = stuck.queue.close()
    await stuck.clock.advance(10_000)
    await closed
    assert.deepEqual(stuck.sent, [1])
  })

  test('load nothing where there are none', async () => {
    const { queue, opened } = setUp()
    await queue.close()
    assert.equal(opened(), 0)
  })
})
