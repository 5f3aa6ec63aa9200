import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseConfig } from './load.ts'
import { formatProblem } from './problem.ts'
import { DEFAULT_RESILIENCE } from './resilience-schema.ts'
import type { BackendConfig } from './types.ts'

const parse = (settings: object): ReturnType<typeof parseConfig> =>
  parseConfig(
    {
      name: 't.yaml',
      text: JSON.stringify({ backends: { a: { url: 'http://127.0.0.1:1', ...settings } } }),
      dir: '/',
    },
    {},
  )

function backend(settings: object): BackendConfig {
  const result = parse(settings)
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'))
  const [first] = result.config.backends
  return first ?? assert.fail('no backend')
}

const problemsOf = (settings: object): readonly string[] => {
  const result = parse(settings)
  return result.ok ? [] : result.problems.map(({ path, message }) => `${path}: ${message}`)
}

describe('how failures are met', () => {
  test('has a default for everything', () => {
    const { timeout, resilience } = backend({})
    assert.equal(timeout, 30_000)
    assert.deepEqual(resilience, {
      connect: 10_000,
      firstByte: undefined,
      idle: undefined,
      retry: { tries: 3, backoff: 50, maxBackoff: 1000, budget: 0.2, minimum: 10 },
      circuitBreaker: {
        window: 30_000,
        minimumCalls: 20,
        failureRatio: 0.5,
        consecutiveFailures: 10,
        openFor: 5000,
        probes: 3,
        per: 'backend',
      },
      bulkhead: { calls: 128, queue: 1000, wait: 10_000 },
      trustAnnotations: false,
      tools: [],
    })
    assert.deepEqual(resilience, DEFAULT_RESILIENCE)
  })

  test('takes the whole time alone, or with its parts', () => {
    assert.equal(backend({ timeout: '2s' }).timeout, 2000)
    const parts = backend({ timeout: { connect: '1s', firstByte: '5s', idle: '10s' } })
    assert.equal(parts.timeout, 30_000)
    const { connect, firstByte, idle } = parts.resilience
    assert.deepEqual([connect, firstByte, idle], [1000, 5000, 10_000])
  })

  test('is switched off part by part', () => {
    const { retry, circuitBreaker, bulkhead } = backend({
      retry: 'off',
      circuitBreaker: false,
      bulkhead: false,
    }).resilience
    assert.deepEqual([retry, circuitBreaker, bulkhead], [undefined, undefined, undefined])
  })

  test('fills up what is said in part, and takes an empty part for its defaults', () => {
    const { retry, bulkhead } = backend({ retry: { tries: 2 }, bulkhead: null }).resilience
    assert.deepEqual(retry, { ...DEFAULT_RESILIENCE.retry, tries: 2 })
    assert.deepEqual(bulkhead, DEFAULT_RESILIENCE.bulkhead)
  })

  test('knows tools by patterns, in their order', () => {
    const tools = {
      'search_*': { idempotent: true, timeout: '5s', hedge: { after: '500ms' } },
      '*': { timeout: { idle: '3s' } },
    }
    const none = { total: undefined, firstByte: undefined, idle: undefined, hedge: undefined }
    assert.deepEqual(backend({ tools }).resilience.tools, [
      { ...none, pattern: 'search_*', idempotent: true, total: 5000, hedge: { after: 500 } },
      { ...none, pattern: '*', idempotent: undefined, idle: 3000 },
    ])
  })

  test('says what is wrong', () => {
    assert.deepEqual(
      problemsOf({
        timeout: { total: '30' },
        retry: { budget: 0.2 },
        circuitBreaker: true,
        bulkhead: { calls: 0 },
        tools: { write: { hedge: { after: '1s' } }, read: { idempotent: 'yes' } },
      }),
      [
        'backends.a.timeout.total: expected a duration with its unit, such as 30s, 500ms, 2m or 1h; found "30"',
        'backends.a.retry.budget: expected a share from 0% to 100%; found the number 0.2',
        'backends.a.circuitBreaker: expected off, or its settings; found true',
        'backends.a.bulkhead.calls: expected a whole number from 1 to 1000000; found the number 0',
        'backends.a.tools.write.hedge: a hedged call may run twice, so that hedge needs idempotent: true beside it; found a mapping',
        'backends.a.tools.read.idempotent: expected true or false; found "yes"',
      ],
    )
  })
})
