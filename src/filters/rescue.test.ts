import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { callOf, collect, request, result, rpcError } from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { LogFields } from '../pipeline/log.ts'
import { rescue, toRefusal } from './rescue.ts'

const call = callOf(request('tools/list'))

function logged() {
  const lines: { readonly level: string; readonly fields: LogFields | undefined }[] = []
  return {
    lines,
    log: (level: string, _message: string, fields?: LogFields) => void lines.push({ level, fields }),
  }
}

describe('rescue', () => {
  test('leaves replies as they are, the backend’s own errors too', async () => {
    const { log, lines } = logged()
    for (const reply of [result({ a: 1 }), rpcError(-32000)]) {
      assert.equal(await rescue(() => Promise.resolve(reply), log)(call, collect()), reply)
    }
    assert.deepEqual(lines, [])
  })

  test('renders a failure of the gateway', async () => {
    const { log, lines } = logged()
    const error = new GatewayError('METHOD_NOT_ALLOWED', 'no', { headers: { allow: 'POST' } })
    const outcome = await rescue(() => Promise.reject(error), log)(call, collect())
    assert.deepEqual(outcome, {
      kind: 'refusal',
      status: 405,
      headers: { allow: 'POST' },
      error: error.toRpcError(),
    })
    assert.deepEqual(lines, [])
  })

  test('tells nobody but the log what was not foreseen, thrown at once or later', async () => {
    const secret = 'token abc123 in /home/me/gateway.ts'
    const failures: readonly (() => Promise<never>)[] = [
      () => Promise.reject(new TypeError(secret)),
      () => {
        throw new TypeError(secret)
      },
      () => Promise.reject(new DOMException(secret, 'AbortError')),
    ]
    for (const fail of failures) {
      const { log, lines } = logged()
      const outcome = await rescue(fail, log)(call, collect())
      assert.ok(outcome.kind === 'refusal')
      assert.equal(outcome.status, 500)
      assert.equal(outcome.error.code, -32603)
      assert.ok(!JSON.stringify(outcome).includes('abc123'), JSON.stringify(outcome))
      assert.equal(lines.length, 1)
      assert.equal(lines[0]?.level, 'error')
      assert.ok(String(lines[0]?.fields?.['cause']).includes(secret))
    }
  })

  test('says when to come back, in whole seconds and never at once', () => {
    const retryAfter = (retryAfterMs: number): string | undefined =>
      toRefusal(new GatewayError('TOO_MANY', 'x', { retryAfterMs }), () => undefined).headers['retry-after']
    assert.deepEqual([0, 1, 1000, 1001].map(retryAfter), ['1', '1', '1', '2'])
  })
})
