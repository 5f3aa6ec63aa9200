import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callOf, collect, request, result } from '../../test/support/scripted.ts'
import { mintPermit } from '../pipeline/permit.ts'
import type { Target } from '../pipeline/target.ts'
import { ERRORS, GatewayError } from '../errors.ts'
import { quarantine } from './quarantine.ts'

const REPLY = result({})
const one: Target = { kind: 'one', backend: 'a', name: 'x', paramHeaders: [] }

const send = async (target: Target): Promise<unknown> => {
  const call = { ...callOf(request('tools/call')), target, permit: mintPermit(target) }
  return quarantine()(() => Promise.resolve(REPLY))(call, collect())
}

test('calls pass unless their target is held back, and then are told what to do', async () => {
  assert.equal(await send(one), REPLY)
  assert.equal(await send({ kind: 'many', operation: { kind: 'discover' }, backends: [] }), REPLY)
  await assert.rejects(send({ ...one, held: 'it changed' }), (error) => {
    assert.ok(error instanceof GatewayError)
    assert.equal(error.status, 403)
    assert.equal(
      error.message,
      'x of backend a is in quarantine: it changed. Whoever runs the gateway reviews it with `toolgate pin a`.',
    )
    assert.deepEqual(error.toRpcError().data, {
      code: 'QUARANTINED',
      retryable: false,
      hint: ERRORS.QUARANTINED.hint,
      backend: 'a',
    })
    return true
  })
})
