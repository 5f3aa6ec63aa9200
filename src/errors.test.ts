import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ERRORS, GatewayError, toGatewayError } from './errors.ts'

const STANDARD = [-32700, -32600, -32601, -32602, -32603]
/** 2026-07-28, basic/index "Error Codes": header mismatch, missing capability, unsupported version. */
const SPECIFIED = [-32020, -32021, -32022]

test('every JSON-RPC code is a standard one, one of the specification, or outside the reserved range', () => {
  for (const [code, { rpcCode }] of Object.entries(ERRORS)) {
    const reserved = rpcCode >= -32768 && rpcCode <= -32000
    const known = STANDARD.includes(rpcCode) || SPECIFIED.includes(rpcCode)
    assert.ok(Number.isInteger(rpcCode) && rpcCode < 0, code)
    assert.ok(!reserved || known, `${code} uses the reserved code ${rpcCode}`)
  }
})

test('the HTTP status says the same as the code: whose fault it is', () => {
  for (const [code, { status, source }] of Object.entries(ERRORS)) {
    const clientError = status >= 400 && status < 500
    // The one status that blames neither: a client that does not read ends with what a busy gateway says.
    if (code === 'SLOW_CONSUMER') continue
    assert.equal(clientError, source === 'downstream', `${code}: ${status} from ${source}`)
  }
})

test('docs/errors.md has one row per code that says what the table says', () => {
  const text = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')
  const rows = text.split('\n').flatMap((line) => {
    const cells = line.split('|').map((cell) => cell.trim())
    const code = /^`([A-Z_]+)`$/.exec(cells[1] ?? '')?.[1]
    return code === undefined ? [] : [{ code, cells }]
  })
  assert.deepEqual(rows.map(({ code }) => code).toSorted(), Object.keys(ERRORS).toSorted())
  for (const { code, cells } of rows) {
    const { status, rpcCode, retryable } = ERRORS[code as keyof typeof ERRORS]
    const said = { status: cells[2], rpcCode: cells[3], retryable: cells[4] }
    assert.deepEqual(
      said,
      { status: `${status}`, rpcCode: `${rpcCode}`.replace('-', '−'), retryable: retryable ? 'yes' : 'no' },
      code,
    )
    assert.ok((cells[5] ?? '').length > 10 && (cells[6] ?? '').length > 10, `${code} lacks cause or remedy`)
  }
})

test('an error is rendered with its code, its advice and the data that the specification prescribes', () => {
  const error = new GatewayError('BACKEND_UNAVAILABLE', 'Backend a is away', {
    backend: 'a',
    retryAfterMs: 1500,
    outcome: 'unknown',
    retryable: false,
    cause: new Error('secret'),
  })
  assert.equal(error.status, 502)
  assert.deepEqual(error.toRpcError(), {
    code: -31502,
    message: 'Backend a is away',
    data: {
      outcome: 'unknown',
      code: 'BACKEND_UNAVAILABLE',
      retryable: false,
      hint: ERRORS.BACKEND_UNAVAILABLE.hint,
      backend: 'a',
      retryAfterMs: 1500,
    },
  })
  assert.ok(!JSON.stringify(error.toRpcError()).includes('secret'))
})

test('prescribed data cannot replace the stable code', () => {
  const error = new GatewayError('INTERNAL', 'x', { data: { code: 'OTHER', retryable: true } })
  assert.equal(error.toRpcError().data['code'], 'INTERNAL')
  assert.equal(error.toRpcError().data['retryable'], false)
})

test('what was not foreseen becomes INTERNAL, and says nothing of its cause', () => {
  const cause = new TypeError('password is hunter2')
  const error = toGatewayError(cause)
  assert.equal(error.code, 'INTERNAL')
  assert.equal(error.cause, cause)
  assert.ok(!JSON.stringify(error.toRpcError()).includes('hunter2'))
  assert.equal(toGatewayError(error), error)
  assert.equal(toGatewayError(undefined).code, 'INTERNAL')
})
