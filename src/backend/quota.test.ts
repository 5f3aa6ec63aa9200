import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Downstream, type Principal, holderOf } from '../pipeline/call.ts'
import { createQuota } from './quota.ts'

test('a holder has so many places, and all holders together so many', () => {
  const quota = createQuota(2, 3)
  assert.deepEqual(
    ['a', 'a', 'a', 'b', 'c'].map((holder) => quota.take(holder)),
    [true, true, false, true, false],
  )
  quota.give('a')
  assert.deepEqual([quota.take('c'), quota.take('a')], [true, false])
  quota.give('nobody')
  assert.equal(quota.take('d'), false, 'nobody gives what they do not have')
})

describe('whose a call is', () => {
  const NOBODY: Principal = { id: 'anonymous', anonymous: true }
  const from = (over: Partial<Downstream>): Downstream => ({
    era: 'legacy',
    version: '2025-11-25',
    transport: 'http',
    session: 's1',
    address: undefined,
    ...over,
  })
  const holder = (over: Partial<Downstream>): string =>
    holderOf({ principal: NOBODY, downstream: from(over) })

  test('a stranger has one share, however many sessions they open', () => {
    const one = holder({ address: '192.0.2.1', session: 's1' })
    assert.equal(holder({ address: '192.0.2.1', session: 's2' }), one)
    assert.notEqual(holder({ address: '192.0.2.2', session: 's1' }), one)
  })

  test('IPv6 clients have one network each', () => {
    assert.equal(holder({ address: '2001:db8::1' }), holder({ address: '2001:db8::2' }))
  })

  test('where the network says nothing, strangers are told apart by their session', () => {
    for (const address of [undefined, '127.0.0.1', '::1'])
      assert.notEqual(holder({ address, session: 's1' }), holder({ address, session: 's2' }))
    assert.equal(holder({ session: undefined }), 'anonymous')
  })
})
