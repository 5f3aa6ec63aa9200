import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { permitted } from '../../test/support/permitted.ts'
import { collect, result, valueOfReply } from '../../test/support/scripted.ts'
import { type ErrorCode, type ErrorDetails, GatewayError } from '../errors.ts'
import type { Permitted } from '../pipeline/call.ts'
import { failuresAsResults } from './failure-results.ts'

const failing = (error: Error, transport: 'rest' | 'http' = 'rest') => {
  const filter = failuresAsResults([{ name: 'a', transport }])<Permitted>(async () => {
    throw error
  })
  return (call: Permitted = permitted()) => filter(call, collect())
}

const textFor = async (code: ErrorCode, details: ErrorDetails = {}): Promise<unknown> => {
  const reply = await failing(new GatewayError(code, 'It failed', { backend: 'a', ...details }))()
  const { content, isError } = valueOfReply(reply)
  assert.equal(isError, true)
  return (content as readonly { readonly text: string }[])[0]?.text
}

describe('a failure of a backend that is no MCP server', () => {
  test('is a result that says whether to call again', async () => {
    const later = { outcome: 'not-executed', retryable: true } as const
    assert.equal(
      await textFor('BACKEND_UNAVAILABLE', later),
      'It failed. Nothing was carried out: call again later.',
    )
    assert.equal(
      await textFor('CIRCUIT_OPEN', { ...later, retryAfterMs: 4200 }),
      'It failed. Nothing was carried out: call again in 5 s.',
    )
    assert.equal(
      await textFor('BACKEND_PROTOCOL', { outcome: 'not-executed' }),
      'It failed. Nothing was carried out, and calling again does not help.',
    )
    assert.equal(
      await textFor('BACKEND_TIMEOUT', { outcome: 'unknown' }),
      'It failed. It is not known whether the call was carried out: find out before you call again.',
    )
    assert.match(String(await textFor('BACKEND_PROTOCOL')), /unlikely to help\.$/)
    assert.match(String(await textFor('BACKEND_AUTH')), /the operator has to see to it\.$/)
  })

  test('says in _meta what an error would have said', async () => {
    const reply = await failing(
      new GatewayError('BACKEND_TIMEOUT', 'slow', { backend: 'a', outcome: 'unknown' }),
    )()
    assert.deepEqual(valueOfReply(reply)['_meta'], {
      'io.toolgate/error': { code: 'BACKEND_TIMEOUT', retryable: false, backend: 'a', outcome: 'unknown' },
    })
  })
})

describe('an error stays an error', () => {
  const timeout = new GatewayError('BACKEND_TIMEOUT', 'slow')

  test('of an MCP server', async () => {
    await assert.rejects(failing(timeout, 'http')(), timeout)
  })

  test('where it is not a tool that was called', async () => {
    await assert.rejects(failing(timeout)(permitted({}, 'x', 'prompts/get')), timeout)
  })

  test('of the gateway itself, or of the caller', async () => {
    for (const code of ['TOO_MANY', 'RATE_LIMITED', 'CANCELLED', 'INTERNAL'] as const) {
      const error = new GatewayError(code, 'no')
      await assert.rejects(failing(error)(), error)
    }
    const bug = new TypeError('bug')
    await assert.rejects(failing(bug)(), bug)
  })

  test('of a call that nobody waits for any more', async () => {
    const { signal } = new AbortController()
    const gone = AbortSignal.abort(timeout)
    await assert.rejects(failing(timeout)(permitted({ signal: gone })), timeout)
    assert.ok(await failing(timeout)(permitted({ signal })))
  })
})

test('what a tool answers is left alone', async () => {
  const reply = result({ content: [] })
  const filter = failuresAsResults([{ name: 'a', transport: 'rest' }])<Permitted>(() =>
    Promise.resolve(reply),
  )
  assert.equal(await filter(permitted(), collect()), reply)
})
