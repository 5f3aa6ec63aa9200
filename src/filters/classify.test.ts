import assert from 'node:assert/strict'
import { test } from 'node:test'
import { result, rpcError } from '../../test/support/scripted.ts'
import { ChannelError, type ChannelFailure } from '../backend/channel.ts'
import { asGatewayError } from '../backend/failure.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import { type Verdict, classify, classifyError } from './classify.ts'

test('a backend that answers is healthy, whatever it answers', () => {
  assert.equal(classify(result({ content: [] })), 'success')
  assert.equal(classify(result({ content: [], isError: true })), 'success')
  assert.equal(classify(rpcError(-32602)), 'success')
  assert.equal(classify(rpcError(-32603)), 'ignored')
})

test('silence, lost connections, 5xx and garbage speak against it; a 4xx says nothing', () => {
  const status = (code: number): ChannelFailure => ({ kind: 'status', status: code, body: '' })
  const rows: readonly (readonly [ChannelFailure, Verdict])[] = [
    [{ kind: 'unreachable', reason: 'x' }, 'failure'],
    [{ kind: 'broken', reason: 'x' }, 'failure'],
    [{ kind: 'protocol', reason: 'x' }, 'failure'],
    [status(500), 'failure'],
    [status(503), 'failure'],
    [status(429), 'ignored'],
    [status(404), 'ignored'],
    [status(401), 'ignored'],
  ]
  for (const [failure, verdict] of rows)
    assert.equal(
      classifyError(asGatewayError(new ChannelError(failure), 'a')),
      verdict,
      JSON.stringify(failure),
    )
})

test('what the caller or the gateway itself ends says nothing', () => {
  const verdictOf = (code: ErrorCode): Verdict => classifyError(new GatewayError(code, 'x'))
  assert.equal(verdictOf('BACKEND_TIMEOUT'), 'failure')
  for (const code of [
    'CANCELLED',
    'TOO_MANY',
    'DRAINING',
    'SLOW_CONSUMER',
    'CIRCUIT_OPEN',
    'INTERNAL',
  ] as const)
    assert.equal(verdictOf(code), 'ignored', code)
  assert.equal(classifyError(new TypeError('bug')), 'ignored')
})
