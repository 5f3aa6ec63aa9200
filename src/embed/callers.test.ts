import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callerOf, callerWithin } from './callers.ts'

test('an anonymous caller has its name for limits, and what is kept of it for itself', () => {
  const [nobody, alice] = [callerOf(undefined, undefined), callerOf(undefined, 'alice')]
  assert.deepEqual([nobody.principal.id, alice.principal.id], ['anonymous', 'anonymous'])
  assert.deepEqual([nobody.downstream.label, alice.downstream.label], ['anonymous', 'alice'])
  assert.deepEqual([nobody.downstream.session, alice.downstream.session], [undefined, 'embedded alice'])
  for (const client of ['', 'x'.repeat(257)])
    assert.throws(() => callerOf(undefined, client), { code: 'INVALID_PARAMS' })
})

test('a principal is the same for as long as everything of it is', () => {
  const scopes = ['a']
  const input = { subject: 'ann', scopes, claims: { plan: 'free' } }
  const { principal } = callerOf(input, undefined)
  assert.equal(callerOf({ ...input, scopes: new Set(['a']) }, undefined).principal, principal)
  scopes.push('b')
  const other = callerOf(input, undefined).principal
  assert.ok(!principal.anonymous && !other.anonymous)
  assert.deepEqual([[...principal.scopes], [...other.scopes]], [['a'], ['a', 'b']])
  assert.equal(other.id, principal.id, 'it is the same person')
  assert.notEqual(callerOf({ ...input, issuer: 'other' }, undefined).principal.id, principal.id)
  for (const bad of [{ subject: '' }, { subject: 'ann', claims: { n: 1n } }])
    assert.throws(() => callerOf(bad, undefined), { code: 'INVALID_PARAMS' })
})

test('whoever calls on is who called, a level deeper, and not for ever', () => {
  let caller = callerOf({ subject: 'ann' }, undefined)
  for (let depth = 1; depth <= 8; depth++) {
    const next = callerWithin(caller)
    assert.equal(next.principal, caller.principal)
    assert.equal(next.within, depth)
    caller = next
  }
  assert.throws(() => callerWithin(caller), { code: 'TOO_MANY' })
})
