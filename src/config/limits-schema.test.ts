import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseConfig } from './load.ts'
import { formatProblem } from './problem.ts'
import type { Config } from './types.ts'

const parse = (text: string, env: Readonly<Record<string, string>> = {}): ReturnType<typeof parseConfig> =>
  parseConfig({ name: 't.yaml', text: `backends: { a: http://a }\n${text}`, dir: '/' }, env)

const config = (text: string, env = {}): Config => {
  const result = parse(text, env)
  assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'))
  return result.config
}

const problems = (text: string, env = {}): readonly string[] => {
  const result = parse(text, env)
  return result.ok
    ? []
    : result.problems.map(({ path, message, suggestion }) => {
        return `${path}: ${message}${suggestion === undefined ? '' : ` (${suggestion})`}`
      })
}

describe('limits', () => {
  test('are 60 tool calls per minute and client unless they are off or others', () => {
    const [only, ...others] = config('').limits
    assert.deepEqual(others, [])
    assert.deepEqual([only?.name, only?.key, only?.methods], ['default', ['principal'], ['tools/call']])
    assert.deepEqual(only?.allowance, { kind: 'window', count: 60, per: 60_000 })
    assert.deepEqual(config('limits: off').limits, [])
    assert.deepEqual(
      config('limits: [{ rate: 5/1s }]').limits.map(({ name }) => name),
      ['principal-rate'],
    )
  })

  test('have every form', () => {
    const { limits } = config(`
limits:
  - { name: per-user, key: [principal], rate: 60/1m, methods: [tools/call, prompts/get] }
  - { key: [tenant, backend], rate: 1000/1m, burst: 100 }
  - { key: [principal, tool], match: { backend: github, tool: search_* }, concurrency: 4, onExceed: queue, queue: { wait: 2s } }
  - { key: [], quota: 100000/month, weights: { github/search_code: 5 }, shadow: true }
`)
    assert.deepEqual(
      limits.map(({ name, allowance }) => [name, allowance]),
      [
        ['per-user', { kind: 'window', count: 60, per: 60_000 }],
        ['tenant-backend-rate', { kind: 'gcra', count: 1000, per: 60_000, burst: 100 }],
        ['principal-tool-concurrency', { kind: 'concurrency', count: 4 }],
        ['all-quota', { kind: 'quota', count: 100_000, period: 'month' }],
      ],
    )
    assert.deepEqual(limits[2]?.queue, { size: 100, wait: 2000 })
    assert.deepEqual(limits[2]?.match, { backend: 'github', tool: 'search_*' })
    assert.deepEqual([limits[3]?.weights, limits[3]?.shadow], [[['github/search_code', 5]], true])
  })

  for (const [text, expected] of [
    ['of', 'limits: expected off, or a list of at least one limit; found "of" (off)'],
    ['[]', 'limits: expected off, or a list of at least one limit; found a list'],
    [
      '[{ rate: 60 }]',
      'limits[0].rate: expected calls per duration, such as 60/1m or 10/1s; found the number 60',
    ],
    [
      '[{ rate: 60/m }]',
      'limits[0].rate: expected calls per duration, such as 60/1m or 10/1s; found "60/m" (60/1m)',
    ],
    [
      '[{ rate: 2000000/1m }]',
      'limits[0].rate: expected at most 1000000 calls in a sliding window; larger rates need a burst; found "2000000/1m"',
    ],
    [
      '[{ key: [user], rate: 1/1s }]',
      /^limits\[0\]\.key\[0\]: expected principal, tenant, .* or method; found "user"/,
    ],
    ['[{ key: [tool] }]', 'limits[0].rate: missing: expected exactly one of rate, concurrency and quota'],
    ['[{ rate: 1/1s, concurrency: 1 }]', /^limits\[0\]\.rate: expected exactly one of/],
    ['[{ quota: 5/week }]', /^limits\[0\]\.quota: expected calls per day or month, such as 100000\/month/],
    ['[{ quota: 5/day, burst: 2 }]', /^limits\[0\]\.burst: expected no burst without a rate/],
    [
      '[{ quota: 5/day, weights: { a/b: 6 } }]',
      /^limits\[0\]\.weights: expected weights of at most 5: a\/b could never be called/,
    ],
    ['[{ quota: 5/day, weights: { b: 6 } }]', /^limits\[0\]\.weights\.b: expected <backend>\/<tool>/],
    [
      '[{ rate: 1/1s, queue: { size: 1 } }]',
      /^limits\[0\]\.queue: expected no queue without onExceed: queue/,
    ],
    [
      '[{ rate: 1/1s, onExceed: queue, shadow: true }]',
      /^limits\[0\]\.shadow: expected false with onExceed: queue/,
    ],
    ['[{ rate: 1/1s }, { rate: 2/1s }]', /^limits\[1\]\.name: .*two limits are called principal-rate/],
    ['[{ rate: 1/1s, bust: 1 }]', /^limits\[0\]\.bust: unknown setting; .* \(burst\)$/],
  ] as const) {
    test(`problem: ${text}`, () => {
      const [found, ...others] = problems(`limits: ${text}`)
      assert.deepEqual(others, [])
      if (typeof expected === 'string') assert.equal(found, expected)
      else assert.match(found ?? '', expected)
    })
  }
})

describe('the store', () => {
  test('is memory unless there is a server', () => {
    assert.deepEqual(config('').store, {
      url: undefined,
      onStoreFailure: 'local',
      timeout: 250,
      prefix: 'toolgate',
    })
    const { store } = config('store: { url: "${env:URL}", onStoreFailure: deny, timeout: 1s }', {
      URL: 'valkeys://:pw@h:1/2',
    })
    assert.deepEqual(store, {
      url: 'rediss://:pw@h:1/2',
      onStoreFailure: 'deny',
      timeout: 1000,
      prefix: 'toolgate',
    })
  })

  test('shows nothing of a URL that is wrong', () => {
    assert.deepEqual(problems('store: { url: "http://:secret@h" }'), [
      'store.url: expected the URL of a Valkey or Redis server, such as redis://127.0.0.1:6379; found text',
    ])
  })
})

describe('addresses of clients', () => {
  test('are limited where that is wanted, and told by proxies that are trusted', () => {
    const { gateway } = config(
      'gateway: { trustedProxies: [10.0.0.0/8, "::1"], limits: { requestsPerAddress: 600/1m } }',
    )
    assert.deepEqual(gateway.trustedProxies, ['10.0.0.0/8', '::1'])
    assert.deepEqual(gateway.limits.requestsPerAddress, { count: 600, per: 60_000 })
    assert.deepEqual(
      problems('gateway: { trustedProxies: [10.0.0.0/33], limits: { requestsPerAddress: on } }'),
      [
        'gateway.trustedProxies[0]: expected an address or network, such as 10.0.0.7 or 10.0.0.0/8; found "10.0.0.0/33"',
        'gateway.limits.requestsPerAddress: expected off, or calls per duration, such as 60/1m or 10/1s; found "on"',
      ],
    )
  })
})
