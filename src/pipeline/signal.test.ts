import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Canceller, type Signal, anySignal, toAbortSignal } from './signal.ts'

const why = new Error('why')

/** The calls of a canceller that a platform signal gets too, to hold one against the other. */
function both(run: (signal: Signal, abort: (reason: Error) => void) => unknown): void {
  const canceller = new Canceller()
  const controller = new AbortController()
  const own = run(canceller, (reason) => canceller.abort(reason))
  const platform = run(controller.signal, (reason) => controller.abort(reason))
  assert.deepEqual(own, platform)
}

describe('a canceller does what an AbortController does', () => {
  test('listeners hear of the first abort, in order, and only once', () => {
    both((signal, abort) => {
      const heard: string[] = []
      for (const name of ['a', 'b', 'c']) signal.addEventListener('abort', () => heard.push(name))
      assert.equal(signal.aborted, false)
      abort(new Error('first'))
      abort(new Error('second'))
      signal.addEventListener('abort', () => heard.push('late'))
      return [heard, signal.aborted, signal.reason]
    })
  })

  test('a listener that was removed hears nothing, even if another one removes it', () => {
    both((signal, abort) => {
      const heard: string[] = []
      const first = (): void => void heard.push('first')
      const stranger = (): void => undefined
      const last = (): void => void heard.push('last')
      signal.addEventListener('abort', first)
      signal.addEventListener('abort', () => {
        heard.push('second')
        signal.removeEventListener('abort', last)
      })
      signal.addEventListener('abort', last)
      signal.removeEventListener('abort', first)
      signal.removeEventListener('abort', stranger)
      abort(why)
      return heard
    })
  })

  test('throws its reason, but only once it is aborted', () => {
    const canceller = new Canceller()
    canceller.throwIfAborted()
    canceller.abort(new Error('why'))
    assert.throws(() => canceller.throwIfAborted(), /why/)
  })
})

test('as an AbortSignal it is aborted with the same reason, before and after', () => {
  const canceller = new Canceller()
  const signal = toAbortSignal(canceller)
  assert.equal(signal.aborted, false)
  canceller.abort(why)
  assert.deepEqual([signal.aborted, signal.reason], [true, why])
  assert.equal(toAbortSignal(canceller).reason, why)
  assert.equal(toAbortSignal(signal), signal)
})

test('the first of several decides', () => {
  const first = new Canceller()
  const second = new AbortController()
  const any = anySignal(first, second.signal)
  second.abort(new Error('second'))
  first.abort(new Error('first'))
  assert.equal(any.reason.message, 'second')
})
