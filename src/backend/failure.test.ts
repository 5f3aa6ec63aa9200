import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CallOutcome, type ErrorCode, GatewayError } from '../errors.ts'
import { ChannelError, type ChannelFailure } from './channel.ts'
import { asGatewayError } from './failure.ts'

type Row = readonly [ChannelFailure, ErrorCode, retryable: boolean, CallOutcome]

/** Whether the same call may be sent again: only where it was surely not carried out. */
const table: readonly Row[] = [
  [{ kind: 'unreachable', reason: 'connection refused' }, 'BACKEND_UNAVAILABLE', true, 'not-executed'],
  [{ kind: 'broken', reason: 'connection lost' }, 'BACKEND_UNAVAILABLE', false, 'unknown'],
  [{ kind: 'protocol', reason: 'answered garbage' }, 'BACKEND_PROTOCOL', false, 'unknown'],
  [{ kind: 'status', status: 401, body: 'b0dy' }, 'BACKEND_AUTH', false, 'not-executed'],
  [{ kind: 'status', status: 403, body: 'b0dy' }, 'BACKEND_AUTH', false, 'not-executed'],
  [{ kind: 'status', status: 404, body: 'b0dy' }, 'BACKEND_PROTOCOL', false, 'unknown'],
  [{ kind: 'status', status: 429, body: 'b0dy' }, 'BACKEND_UNAVAILABLE', true, 'not-executed'],
  [{ kind: 'status', status: 500, body: 'b0dy' }, 'BACKEND_UNAVAILABLE', false, 'unknown'],
  [{ kind: 'status', status: 502, body: 'b0dy' }, 'BACKEND_UNAVAILABLE', false, 'unknown'],
  [{ kind: 'status', status: 503, body: 'b0dy' }, 'BACKEND_UNAVAILABLE', false, 'unknown'],
]

for (const [failure, code, retryable, outcome] of table) {
  const what = failure.kind === 'status' ? `status ${failure.status}` : failure.kind
  test(`${what} is ${code}, and the outcome of the call is ${outcome}`, () => {
    const cause = new ChannelError(failure)
    const error = asGatewayError(cause, 'a')
    assert.ok(error instanceof GatewayError)
    assert.equal(error.code, code)
    assert.equal(error.cause, cause)
    const { data, message } = error.toRpcError()
    assert.deepEqual([data['backend'], data['retryable'], data['outcome']], ['a', retryable, outcome])
    assert.ok(!JSON.stringify({ data, message }).includes('b0dy'), 'the body of the backend is not shown')
  })
}

test('what is no failure of a channel stays what it is', () => {
  for (const error of [new TypeError('x'), new GatewayError('CANCELLED', 'x'), undefined]) {
    assert.equal(asGatewayError(error, 'a'), error)
  }
})
