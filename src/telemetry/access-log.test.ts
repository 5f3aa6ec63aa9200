import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { callOf, request, result, rpcError, someone } from '../../test/support/scripted.ts'
import type { AccessLogConfig } from '../config/telemetry-types.ts'
import { GatewayError } from '../errors.ts'
import { type Outcome, toRefusal } from '../filters/rescue.ts'
import type { Call } from '../pipeline/call.ts'
import { silentLog } from '../pipeline/log.ts'
import { CallRecord } from '../pipeline/record.ts'
import { createAccessLog } from './access-log.ts'
import type { Terminal } from './access-pretty.ts'
import { createRedactor } from './redact.ts'

const CONFIG: AccessLogConfig = {
  to: 'stdout',
  format: 'auto',
  level: 'info',
  sample: 1,
  slow: 1000,
  arguments: false,
  results: false,
}

interface Setting {
  readonly terminal?: Terminal
  readonly random?: () => number
  readonly redact?: readonly string[]
}

const META = {
  'io.modelcontextprotocol/clientInfo': { name: 'test "client"', version: '1.2.3' },
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
}

const CALL = request('tools/call', {
  name: 'crm_find',
  arguments: { text: 'hello', password: 'p' },
  _meta: META,
})

function setUp(
  config: Partial<AccessLogConfig> = {},
  { terminal, random = () => 0, redact = [] }: Setting = {},
) {
  const clock = createFakeClock()
  const lines: string[] = []
  const sink = {
    write: (line: string) => void lines.push(line),
    reopen: () => undefined,
    close: () => Promise.resolve(),
  }
  const redactor = createRedactor(redact)
  const log = createAccessLog({ ...CONFIG, ...config }, { clock, random, redactor, sink, terminal })
  const end = (outcome: Outcome, call: Call = callOf(CALL), about?: (record: CallRecord) => void): void => {
    const record = new CallRecord(call, clock)
    about?.(record)
    record.end()
    log.ended(record, outcome)
  }
  const entries = (): readonly Readonly<Record<string, unknown>>[] =>
    lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
  return { clock, log, lines, end, entries }
}

const refusal = (error: GatewayError): Outcome => toRefusal(error, silentLog)

describe('a line of the access log', () => {
  test('says who called what, where it went, how long it took and how it ended', async () => {
    const { clock, log, entries, lines } = setUp()
    const call: Call = { ...callOf(CALL), principal: someone('ada', { tenant: 'acme', client: 'desk' }) }
    const record = new CallRecord(call, clock)
    record.target = { kind: 'one', backend: 'crm', name: 'find', paramHeaders: [] }
    await clock.advance(3)
    record.queuedSince(record.begun)
    const attempt = record.attempt('crm')
    attempt.spoken = { era: 'legacy', version: '2025-06-18' }
    attempt.endpoint = 'https://a.crm.example'
    await clock.advance(20.5)
    const outcome = result({ content: [] })
    attempt.answered(outcome)
    record.notificationBytes = 7
    record.end()
    log.ended(record, outcome)
    assert.match(lines[0] ?? '', /^\{"time":"2026-11-22T00:00:00\.000Z","kind":"call".*\}\n$/)
    assert.deepEqual(entries(), [
      {
        time: '2026-11-22T00:00:00.000Z',
        kind: 'call',
        level: 'info',
        outcome: 'ok',
        method: 'tools/call',
        name: 'crm_find',
        backendName: 'find',
        route: '/mcp',
        backend: 'crm',
        endpoint: 'https://a.crm.example',
        durationMs: 23.5,
        queueMs: 3,
        backendMs: 20.5,
        tries: 1,
        status: 200,
        bytesIn: CALL.text.length,
        bytesOut: outcome.text.length + 7,
        issuer: 'https://issuer.example',
        subject: 'ada',
        tenant: 'acme',
        clientId: 'desk',
        client: 'test "client"',
        clientVersion: '1.2.3',
        transport: call.downstream.transport,
        era: 'modern',
        version: call.downstream.version,
        ...(call.downstream.address === undefined ? {} : { address: call.downstream.address }),
        backendEra: 'legacy',
        backendVersion: '2025-06-18',
        traceId: 'a'.repeat(32),
      },
    ])
  })

  test('names an API key by its id', () => {
    const { end, entries } = setUp()
    const principal = someone('robot', { issuer: 'toolgate:keys', client: '0a1b2c3d' })
    end(result({}), { ...callOf(CALL), principal })
    const { issuer, subject, apiKey, clientId } = entries()[0] ?? {}
    assert.deepEqual([issuer, subject, apiKey, clientId], ['toolgate:keys', 'robot', '0a1b2c3d', undefined])
  })

  for (const [outcome, ending, level, codes] of [
    [result({ isError: true }), 'tool_error', 'warn', [200, undefined, undefined]],
    [result({ resultType: 'input_required' }), 'input_required', 'info', [200, undefined, undefined]],
    [rpcError(-32000, 'secret words'), 'backend_error', 'warn', [undefined, -32000, undefined]],
    [
      refusal(new GatewayError('RATE_LIMITED', 'secret words')),
      'refused',
      'warn',
      [429, -31429, 'RATE_LIMITED'],
    ],
    [
      refusal(new GatewayError('CIRCUIT_OPEN', 'secret words')),
      'refused',
      'warn',
      [503, -31553, 'CIRCUIT_OPEN'],
    ],
    [refusal(new GatewayError('CANCELLED', 'secret words')), 'cancelled', 'info', [499, -31099, 'CANCELLED']],
    [
      refusal(new GatewayError('BACKEND_TIMEOUT', 'secret words')),
      'failed',
      'error',
      [504, -31504, 'BACKEND_TIMEOUT'],
    ],
    [refusal(new GatewayError('INTERNAL', 'secret words')), 'failed', 'error', [500, -32603, 'INTERNAL']],
  ] as const)
    test(`says ${ending} at ${level} of ${outcome.kind} ${codes[2] ?? codes[1] ?? ''}, and no message`, () => {
      const { end, entries, lines } = setUp()
      end(outcome)
      const [entry] = entries()
      assert.deepEqual([entry?.['outcome'], entry?.['level']], [ending, level])
      assert.deepEqual([entry?.['status'], entry?.['rpcCode'], entry?.['code']], codes)
      assert.ok(!lines.join('').includes('secret words'))
    })

  test('says which limit refused', () => {
    const { end, entries } = setUp()
    end(refusal(new GatewayError('RATE_LIMITED', 'no')), callOf(CALL), (record) => {
      record.limit = 'per-minute'
    })
    assert.equal(entries()[0]?.['limit'], 'per-minute')
  })

  test('counts tries that overlap once', async () => {
    const { clock, log, entries } = setUp()
    const record = new CallRecord(callOf(CALL), clock)
    const first = record.attempt('crm')
    await clock.advance(10)
    const second = record.attempt('crm')
    await clock.advance(10)
    first.failed(new Error('x'))
    await clock.advance(10)
    second.answered(result({}))
    await clock.advance(10)
    const third = record.attempt('crm')
    await clock.advance(5)
    record.end()
    log.ended(record, result({}))
    assert.equal(third.ended, undefined)
    assert.deepEqual([entries()[0]?.['backendMs'], entries()[0]?.['tries']], [35, 3])
  })

  test('is bounded, whatever a client is called and calls', () => {
    const { end, lines, entries } = setUp({ arguments: true, results: true })
    const name = 'x"\u001b'.repeat(100_000)
    const message = request('tools/call', {
      name,
      arguments: { text: name },
      _meta: { 'io.modelcontextprotocol/clientInfo': { name, version: name } },
    })
    end(result({ text: name }), callOf(message))
    assert.equal(entries().length, 1)
    assert.ok((lines[0]?.length ?? 0) < 10_000, String(lines[0]?.length))
  })

  test('has neither query nor user of a URI', () => {
    const { end, entries } = setUp()
    end(result({}), callOf(request('resources/read', { uri: 'https://ada:pw@host/a?token=t#f' })))
    assert.equal(entries()[0]?.['uri'], 'https://host/a')
  })

  test('has arguments and results only where somebody wants them, without their secrets', () => {
    const plain = setUp()
    plain.end(result({ content: [{ type: 'text', text: 'found' }] }))
    assert.ok(!/hello|found/.test(plain.lines.join('')))
    const { end, entries } = setUp({ arguments: true, results: true }, { redact: ['result.content.*.text'] })
    end(result({ content: [{ type: 'text', text: 'found' }] }))
    assert.deepEqual(entries()[0]?.['arguments'], { text: 'hello', password: '[redacted]' })
    assert.deepEqual(entries()[0]?.['result'], { content: [{ type: 'text', text: '[redacted]' }] })
  })

  test('of an exchange that was no call says what was refused', () => {
    const { log, entries } = setUp()
    const outcome = toRefusal(new GatewayError('UNAUTHENTICATED', 'no'), silentLog)
    log.refused?.({ method: 'POST', path: '/mcp', address: '192.0.2.1', refusal: outcome })
    assert.deepEqual(entries(), [
      {
        time: '2026-11-22T00:00:00.000Z',
        kind: 'http',
        level: 'warn',
        outcome: 'refused',
        method: 'POST',
        path: '/mcp',
        status: 401,
        rpcCode: -31401,
        code: 'UNAUTHENTICATED',
        address: '192.0.2.1',
      },
    ])
  })
})

describe('a sample', () => {
  test('is of what went well and was quick; all else is written, and says how many it stands for', async () => {
    let drawn = 0.5
    const { clock, log, end, entries } = setUp({ sample: 0.1 }, { random: () => drawn })
    end(result({}))
    assert.deepEqual(entries(), [])
    drawn = 0.05
    end(result({}))
    drawn = 0.5
    end(result({ isError: true }))
    end(rpcError(-32000))
    const slow = new CallRecord(callOf(CALL), clock)
    await clock.advance(1000)
    slow.end()
    log.ended(slow, result({}))
    assert.deepEqual(
      entries().map(({ outcome, sample }) => [outcome, sample]),
      [
        ['ok', 0.1],
        ['tool_error', undefined],
        ['backend_error', undefined],
        ['ok', undefined],
      ],
    )
  })

  test('may be of nothing', () => {
    const { end, entries } = setUp({ sample: 0 })
    end(result({}))
    end(result({ isError: true }))
    assert.equal(entries().length, 1)
  })
})

test('a level leaves out what is less urgent, but no slow call', async () => {
  const { clock, log, end, entries } = setUp({ level: 'error' })
  end(result({}))
  end(result({ isError: true }))
  end(refusal(new GatewayError('BACKEND_TIMEOUT', 'no')))
  const slow = new CallRecord(callOf(CALL), clock)
  await clock.advance(1000)
  slow.end()
  log.ended(slow, result({}))
  assert.deepEqual(
    entries().map(({ outcome }) => outcome),
    ['failed', 'ok'],
  )
})

describe('a line for people', () => {
  const narrow: Terminal = { isTTY: true, columns: 50, color: false }

  test('has what matters, and fits', () => {
    const { end, lines } = setUp({}, { terminal: narrow })
    end(result({ isError: true }), { ...callOf(CALL), principal: someone('ada') })
    assert.match(lines[0] ?? '', /^\d\d:\d\d:\d\d tool_error tools\/call crm_find 0\.0 ms ada\n$/)
    end(result({}), callOf(request('tools/call', { name: 'n'.repeat(300) })))
    assert.ok((lines[1]?.length ?? 0) <= 51)
  })

  test('cannot steer the terminal', () => {
    const { end, lines } = setUp({}, { terminal: narrow })
    end(result({}), callOf(request('tools/call', { name: '\u001b[2J\u009b\u202e\r\nx' })))
    assert.match(lines[0] ?? '', /tools\/call \?\[2J/)
    for (const char of ['\u001b', '\u009b', '\u202e', '\r']) assert.ok(lines[0]?.includes(char) === false)
    assert.equal(lines[0]?.split('\n').length, 2)
  })

  test('has colours where they are wanted, and is JSON where no terminal is', () => {
    const { end, lines } = setUp({}, { terminal: { ...narrow, color: true } })
    end(result({}))
    assert.ok(lines[0]?.includes('\u001b[32m'))
    const piped = setUp({}, { terminal: { ...narrow, isTTY: false } })
    piped.end(result({}))
    assert.equal(piped.entries().length, 1)
    const forced = setUp({ format: 'json' }, { terminal: narrow })
    forced.end(result({}))
    assert.equal(forced.entries().length, 1)
  })
})
