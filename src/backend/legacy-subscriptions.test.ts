import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Signal } from '../pipeline/signal.ts'
import { settled } from '../../test/support/fake-clock.ts'
import { result, rpcError } from '../../test/support/scripted.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import type { SubscriptionFilter } from '../protocol/subscription.ts'
import { createLegacySubscriptions } from './legacy-subscriptions.ts'

function setUp() {
  const asked: string[] = []
  const streams: { readonly end: (error?: Error) => void; readonly signal: Signal }[] = []
  const subscriptions = createLegacySubscriptions({
    ask(method, params) {
      asked.push(`${method.replace('resources/', '')} ${(JSON.parse(`{${params}}`) as { uri: string }).uri}`)
      return Promise.resolve(params.includes('refused') ? rpcError(-32602) : result({}))
    },
    follow(opened, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      streams.push({ signal, end: (error) => (error === undefined ? resolve() : reject(error)) })
      opened()
      return unlessAborted(promise, signal)
    },
  })
  const subscribe = (...resources: string[]) => {
    const leaving = new AbortController()
    const honoured: SubscriptionFilter[] = []
    const listener = {
      onOpen: (filter: SubscriptionFilter): void => void honoured.push(filter),
      onChange: () => undefined,
    }
    const ended = subscriptions.subscribe(
      { lists: ['tools'], resources, tasks: [] },
      listener,
      leaving.signal,
    )
    ended.catch(() => undefined)
    return { honoured, ended, leave: () => leaving.abort(new Error('left')) }
  }
  return { asked, streams, subscribe }
}

test('subscriptions of one session share its stream and its resources, which are counted', async () => {
  const { asked, streams, subscribe } = setUp()
  const a = subscribe('x:1', 'x:2')
  const b = subscribe('x:2', 'x:"3')
  await settled()
  assert.equal(streams.length, 1)
  assert.deepEqual(asked, ['subscribe x:1', 'subscribe x:2', 'subscribe x:"3'])
  assert.deepEqual(b.honoured, [{ lists: ['tools'], resources: ['x:2', 'x:"3'], tasks: [] }])
  a.leave()
  await assert.rejects(a.ended, /left/)
  await settled()
  assert.deepEqual(asked.splice(0).slice(3), ['unsubscribe x:1'])
  assert.equal(streams[0]?.signal.aborted, false)
  b.leave()
  await settled()
  assert.deepEqual(asked, ['unsubscribe x:2', 'unsubscribe x:"3'])
  assert.equal(streams[0]?.signal.aborted, true)
})

test('a resource that is asked for again at once stays subscribed', async () => {
  const { asked, subscribe } = setUp()
  const a = subscribe('x:1')
  await settled()
  const b = subscribe('x:1')
  a.leave()
  await settled()
  assert.deepEqual(asked, ['subscribe x:1'])
  b.leave()
  await settled()
  const c = subscribe('x:1')
  await settled()
  assert.deepEqual(asked, ['subscribe x:1', 'unsubscribe x:1', 'subscribe x:1'])
  assert.deepEqual(c.honoured[0]?.resources, ['x:1'])
})

test('a resource that the backend refuses is not honoured, and not taken back', async () => {
  const { asked, subscribe } = setUp()
  const a = subscribe('x:refused', 'x:1')
  await settled()
  assert.deepEqual(a.honoured, [{ lists: ['tools'], resources: ['x:1'], tasks: [] }])
  a.leave()
  await settled()
  assert.deepEqual(asked, ['subscribe x:refused', 'subscribe x:1', 'unsubscribe x:1'])
})

test('the end of the stream is the end of all, and the next one begins anew', async () => {
  const { streams, subscribe } = setUp()
  const a = subscribe()
  const b = subscribe()
  await settled()
  streams[0]?.end(new Error('lost'))
  await assert.rejects(a.ended, /lost/)
  await assert.rejects(b.ended, /lost/)
  const c = subscribe()
  await settled()
  streams[1]?.end()
  await c.ended
  assert.equal(streams.length, 2)
})
