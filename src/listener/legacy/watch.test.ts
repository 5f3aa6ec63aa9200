import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Signal } from '../../pipeline/signal.ts'
import { createFakeClock, settled } from '../../../test/support/fake-clock.ts'
import { notificationOf, result } from '../../../test/support/scripted.ts'
import { GatewayError } from '../../errors.ts'
import { type Outcome, toRefusal } from '../../filters/rescue.ts'
import type { Notifications } from '../../pipeline/call.ts'
import { silentLog } from '../../pipeline/log.ts'
import { createWatch } from './watch.ts'

/** One `subscriptions/listen` call. */
interface Listening {
  readonly filter: Readonly<Record<string, unknown>>
  readonly signal: Signal
  readonly out: Notifications
  end(outcome: Outcome): void
  /** Agrees to everything, or to these resources. */
  acknowledge(uris?: readonly string[]): void
}

function watched() {
  const calls: Listening[] = []
  const pushed: string[] = []
  const clock = createFakeClock()
  const watch = createWatch({
    clock,
    push: (text) => pushed.push(text),
    task: (params) => params,
    answer: (message, signal, out) => {
      const { params } = JSON.parse(message.text) as {
        readonly params: { readonly notifications: Record<string, unknown> }
      }
      const filter = params.notifications
      const { promise, resolve } = Promise.withResolvers<Outcome>()
      const acknowledge: Listening['acknowledge'] = (uris) => {
        const notifications = { ...filter, ...(uris && { resourceSubscriptions: uris }) }
        void out.send(notificationOf(noteText('subscriptions/acknowledged', { notifications })))
      }
      calls.push({ filter, signal, out, end: resolve, acknowledge })
      return promise
    },
  })
  return { watch, calls, pushed, clock }
}

const noteText = (method: string, params: object): string =>
  JSON.stringify({ jsonrpc: '2.0', method: `notifications/${method}`, params })
const updated = (uri: string): string =>
  noteText('resources/updated', { uri, _meta: { 'io.modelcontextprotocol/subscriptionId': 'listen-1' } })
const refused = (code: 'METHOD_NOT_FOUND' | 'BACKEND_UNAVAILABLE'): Outcome =>
  toRefusal(new GatewayError(code, 'no'), silentLog)

describe('the watch of a legacy session', () => {
  test('is one call that is replaced by the next before it ends, and only the newest is listened to', async () => {
    const { watch, calls, pushed } = watched()
    watch.listen(true)
    calls[0]?.acknowledge()
    const subscribed = watch.subscribe('u:1')
    assert.deepEqual(calls[1]?.filter, { ...calls[0]?.filter, resourceSubscriptions: ['u:1'] })
    assert.equal(calls[0]?.signal.aborted, false)
    void calls[0]?.out.send(notificationOf(noteText('tools/list_changed', {})))
    calls[1]?.acknowledge()
    assert.equal(await subscribed, 'subscribed')
    assert.equal(calls[0]?.signal.aborted, true)
    void calls[0]?.out.send(notificationOf(noteText('tools/list_changed', {})))
    void calls[1]?.out.send(notificationOf(updated('u:1')))
    assert.deepEqual(pushed, [
      noteText('tools/list_changed', {}),
      noteText('resources/updated', { uri: 'u:1', _meta: {} }),
    ])
  })

  test('says which resources nothing will be told about, and asks for them no more', async () => {
    const { watch, calls } = watched()
    const subscribed = watch.subscribe('u:1')
    calls[0]?.acknowledge([])
    assert.equal(await subscribed, 'refused')
    const other = watch.subscribe('u:2')
    assert.deepEqual(calls[1]?.filter, { resourceSubscriptions: ['u:2'] })
    calls[1]?.acknowledge()
    assert.equal(await other, 'subscribed')
    watch.unsubscribe('u:2')
    assert.equal(calls[1]?.signal.aborted, true)
    assert.equal(calls.length, 2)
  })

  test('comes back after an end, later each time, until it is closed', async () => {
    const { watch, calls, clock } = watched()
    watch.listen(true)
    calls[0]?.acknowledge()
    calls[0]?.end(result('{}'))
    await clock.advance(499)
    assert.equal(calls.length, 1)
    await clock.advance(1)
    assert.equal(calls.length, 2)
    calls[1]?.end(refused('BACKEND_UNAVAILABLE'))
    await clock.advance(999)
    assert.equal(calls.length, 2)
    await clock.advance(1)
    assert.equal(calls.length, 3)
    watch.close()
    assert.equal(calls[2]?.signal.aborted, true)
    calls[2]?.end(refused('BACKEND_UNAVAILABLE'))
    await clock.advance(60_000)
    assert.equal(calls.length, 3)
  })

  test('gives up where there are no subscriptions', async () => {
    const { watch, calls, clock } = watched()
    const subscribed = watch.subscribe('u:1')
    calls[0]?.end(refused('METHOD_NOT_FOUND'))
    assert.equal(await subscribed, 'unsupported')
    assert.equal(await watch.subscribe('u:2'), 'unsupported')
    await clock.advance(60_000)
    await settled()
    assert.equal(calls.length, 1)
  })
})
