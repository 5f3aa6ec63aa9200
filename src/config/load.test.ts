import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig, parseConfig } from './load.ts'
import { formatProblem } from './problem.ts'
import { DEFAULT_RESILIENCE } from './resilience-schema.ts'
import type { Config } from './types.ts'

const parse = (text: string, env = {}): ReturnType<typeof parseConfig> =>
  parseConfig({ name: 'toolgate.yaml', text, dir: '/etc/mcp' }, env)

const config = (text: string, env = {}): Config => {
  const result = parse(text, env)
  assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'))
  return result.config
}

/** The problems as people read them. */
const problems = (text: string, env = {}): readonly string[] => {
  const result = parse(text, env)
  return result.ok ? [] : result.problems.map(formatProblem)
}

const SESSIONS = {
  isolation: 'principal',
  interactive: 'concurrent',
  maxSessions: 100,
  resilience: DEFAULT_RESILIENCE,
} as const
const HEALTH = { health: { interval: 30_000, timeout: 5000, unhealthy: 3, healthy: 2 } } as const
const HTTP = { connections: 128, keepAlive: 3000, ...HEALTH } as const

test('a backend that is a string is its URL, and everything else has a default', () => {
  assert.deepEqual(config('backends: { github: "http://127.0.0.1:8001/mcp" }'), {
    gateway: {
      name: 'toolgate',
      listen: { host: '127.0.0.1', port: 8080 },
      names: 'prefix',
      pageSize: undefined,
      listDeadline: 2000,
      staleFor: 600_000,
      drain: 10_000,
      sessionIdle: 1_800_000,
      sse: false,
      allowedOrigins: [],
      allowedHosts: [],
      publicUrl: undefined,
      stateDir: undefined,
      limits: {
        body: 4 * 1024 * 1024,
        headers: 32_768,
        depth: 64,
        reply: 32 * 1024 * 1024,
        bodyTimeout: 10_000,
        calls: 10_000,
        sessions: 10_000,
        sessionsPerPrincipal: 1000,
        queue: 256,
        listEntries: 10_000,
        parked: 100,
        parkedTotal: 2000,
        parkTime: 600_000,
        streams: 100,
        streamAge: 86_400_000,
        silence: 900_000,
        connections: 10_000,
        headerTimeout: 10_000,
        replyTimeout: 60_000,
        requestsPerAddress: undefined,
      },
      trustedProxies: [],
      forwardedHeader: 'x-forwarded-for',
      overload: { delay: 500, memory: 0.85 },
      tools: { health: true, metrics: true },
      bulkhead: { calls: 1000, queue: 1000, wait: 5000 },
    },
    limits: [
      {
        name: 'default',
        key: ['principal'],
        methods: ['tools/call'],
        match: { backend: undefined, tool: undefined },
        allowance: { kind: 'window', count: 60, per: 60_000 },
        weights: [],
        queue: undefined,
        shadow: false,
      },
    ],
    store: { url: undefined, onStoreFailure: 'local', timeout: 250, prefix: 'toolgate' },
    admin: { listen: { host: '127.0.0.1', port: 9901 } },
    log: { level: 'info', format: 'auto' },
    telemetry: {
      resource: {},
      metrics: { maxTools: 2000, token: undefined, open: false, otlp: undefined },
      accessLog: undefined,
    },
    integrity: {
      lock: '/etc/mcp/tools.lock',
      onChange: 'quarantine',
      onNew: 'quarantine',
      onShadow: 'warn',
      onInvisible: 'escape',
    },
    backends: [
      {
        name: 'github',
        transport: 'http',
        url: 'http://127.0.0.1:8001/mcp',
        era: 'auto',
        timeout: 30_000,
        ...SESSIONS,
        headers: {},
        ...HTTP,
      },
    ],
  } satisfies Config)
})

test('every form of a backend is read, in the order of the file', () => {
  const { backends, admin, log } = config(
    `
backends:
  storage: { command: npx, args: [-y, server, ./data], env: { KEY: "\${KEY}" }, cwd: data, timeout: 2m }
  database: { url: "https://db.example.com/mcp", transport: http, era: legacy, headers: { Authorization: "Bearer \${KEY}" } }
  plain: { command: server, transport: stdio }
admin: false
log: { level: debug, format: json }
`,
    { KEY: 'secret' },
  )
  assert.equal(admin, undefined)
  assert.deepEqual(log, { level: 'debug', format: 'json' })
  assert.deepEqual(backends, [
    {
      name: 'storage',
      transport: 'stdio',
      command: 'npx',
      args: ['-y', 'server', './data'],
      env: { KEY: 'secret' },
      cwd: '/etc/mcp/data',
      era: 'auto',
      timeout: 120_000,
      ...SESSIONS,
      ...HEALTH,
    },
    {
      name: 'database',
      transport: 'http',
      url: 'https://db.example.com/mcp',
      era: 'legacy',
      timeout: 30_000,
      ...SESSIONS,
      headers: { Authorization: 'Bearer secret' },
      ...HTTP,
    },
    {
      name: 'plain',
      transport: 'stdio',
      command: 'server',
      args: [],
      env: {},
      cwd: '/etc/mcp',
      era: 'auto',
      timeout: 30_000,
      ...SESSIONS,
      ...HEALTH,
    },
  ])
})

test('several endpoints are read from a list of URLs, or with weights; one of either is a backend of one endpoint', () => {
  const { backends } = config(`
backends:
  listed: { url: ["http://a/mcp", "http://b/mcp"], ejection: off, health: off, slowStart: 0s }
  weighed:
    endpoints: [{ url: "http://a/mcp", weight: 3 }, { url: "http://b/mcp" }]
    balance: weighted
    ejection: { failures: 2, slowness: 4, time: 1s, share: 25% }
    health: { path: /health, interval: 1s }
  single: { url: ["http://a/mcp"] }
  alone: { endpoints: [{ url: "http://a/mcp", weight: 9 }] }
`)
  const defaults = {
    transport: 'http',
    era: 'auto',
    timeout: 30_000,
    headers: {},
    ...SESSIONS,
    ...HTTP,
  } as const
  assert.deepEqual(backends, [
    {
      name: 'listed',
      ...defaults,
      url: 'http://a/mcp',
      health: undefined,
      endpoints: {
        list: [
          { url: 'http://a/mcp', weight: 1 },
          { url: 'http://b/mcp', weight: 1 },
        ],
        balance: 'least-loaded',
        ejection: undefined,
        slowStart: 0,
      },
    },
    {
      name: 'weighed',
      ...defaults,
      url: 'http://a/mcp',
      health: { path: '/health', interval: 1000, timeout: 5000, unhealthy: 3, healthy: 2 },
      endpoints: {
        list: [
          { url: 'http://a/mcp', weight: 3 },
          { url: 'http://b/mcp', weight: 1 },
        ],
        balance: 'weighted',
        ejection: { failures: 2, slowness: 4, time: 1000, maxTime: 300_000, share: 0.25 },
        slowStart: 10_000,
      },
    },
    { name: 'single', ...defaults, url: 'http://a/mcp' },
    { name: 'alone', ...defaults, url: 'http://a/mcp' },
  ])
})

test('numbers and addresses may come from the environment', () => {
  const { gateway } = config(
    'gateway: { listen: "127.0.0.1:${PORT}", pageSize: "${SIZE}", stateDir: state }\nbackends: { a: http://a }',
    { PORT: '0', SIZE: '50' },
  )
  assert.deepEqual([gateway.listen.port, gateway.pageSize, gateway.stateDir], [0, 50, '/etc/mcp/state'])
})

test('JSON, empty sections, anchors and aliases are read', () => {
  assert.equal(config('{"backends": {"a": "http://a/mcp"}}').backends.length, 1)
  const { backends } = config(
    'gateway:\nlog:\nbackends:\n  a: { url: http://a, headers: &h { X-Key: k } }\n  b: { url: http://b, headers: *h }',
  )
  assert.deepEqual(backends[1]?.transport === 'http' && backends[1].headers, { 'X-Key': 'k' })
})

/** Source, environment, and every problem in order. */
const table: readonly (readonly [string, string, readonly string[], Readonly<Record<string, string>>?])[] = [
  ['no backends', 'gateway: {}', ['toolgate.yaml: backends: missing: name at least one MCP server here']],
  ['an empty file', '# nothing', ['toolgate.yaml: the file is empty; it needs at least backends']],
  [
    'a list',
    '[1]',
    ['toolgate.yaml: expected a mapping (key: value) at the top; it needs at least backends'],
  ],
  [
    'a typo in a section',
    'gatway: {}\nbackends: { a: http://a }',
    [
      'toolgate.yaml:1:1: gatway: unknown setting; known here: gateway, backends, auth, authorization, limits, store, admin, log, integrity, telemetry, environments; did you mean gateway?',
    ],
  ],
  [
    'a typo in a backend',
    'backends:\n  a:\n    url: http://a\n    timeot: 30s',
    [
      'toolgate.yaml:4:5: backends.a.timeot: unknown setting; known here: url, transport, era, isolation, interactive, maxSessions, integrity, timeout, retry, circuitBreaker, bulkhead, trustAnnotations, tools, headers, connections, warm, balance, ejection, slowStart, keepAlive, health, signing; did you mean timeout?',
    ],
  ],
  [
    'a bare duration',
    'backends:\n  a:\n    url: http://a\n    timeout: 30',
    [
      'toolgate.yaml:4:14: backends.a.timeout: expected a duration with its unit, such as 30s, 500ms, 2m or 1h; found the number 30; did you mean 30s or 30ms?',
    ],
  ],
  [
    'a value from the environment is not shown',
    'backends: { a: { url: http://a, timeout: "${T}" } }',
    [
      'toolgate.yaml:1:42: backends.a.timeout: expected a duration with its unit, such as 30s, 500ms, 2m or 1h; found a value from the environment (T)',
    ],
    { T: '30' },
  ],
  [
    'a variable that is not set is reported once',
    'backends: { a: { url: "${URL}" } }',
    [
      'toolgate.yaml:1:23: backends.a.url: the environment variable URL is not set; set it, or give a default: ${URL:-…}',
    ],
  ],
  [
    'a reference without quotes in braces',
    'backends: { a: { url: ${URL} } }',
    ['toolgate.yaml:1:24: not valid YAML: inside {…} and […], put text with a ${reference} in quotes'],
  ],
  [
    'a missing host',
    'gateway: { listen: ":8080" }\nbackends: { a: http://a }',
    [
      'toolgate.yaml:1:20: gateway.listen: expected an address as host:port, such as 127.0.0.1:8080 or [::1]:8080 (listening on every address must be explicit); found ":8080"; did you mean 127.0.0.1:8080 for this machine only, or 0.0.0.0:8080?',
    ],
  ],
  [
    'an open address without consent',
    'gateway: { listen: "0.0.0.0:8080" }\nbackends: { a: http://a }',
    [
      'toolgate.yaml:1:20: gateway.listen: callers are not authenticated, so only loopback addresses are safe to listen on; configure auth, or, to let everyone who can connect call every tool, set gateway.allowUnauthenticatedNetworkAccess: i-understand-that-anyone-who-connects-can-call-every-tool',
    ],
  ],
  [
    'consent in other words',
    'gateway: { listen: "0.0.0.0:1", allowUnauthenticatedNetworkAccess: true }\nbackends: { a: http://a }',
    [
      'toolgate.yaml:1:68: gateway.allowUnauthenticatedNetworkAccess: expected i-understand-that-anyone-who-connects-can-call-every-tool; found true',
    ],
  ],
  [
    'two listeners on one address',
    'gateway: { listen: "127.0.0.1:1" }\nadmin: { listen: "127.0.0.1:1" }\nbackends: { a: http://a }',
    ['toolgate.yaml:2:18: admin.listen: the same address as gateway.listen'],
  ],
  [
    'both url and command',
    'backends: { a: { url: http://a, command: b } }',
    [
      'toolgate.yaml:1:33: backends.a.command: a backend has either a url (http) or a command (stdio), not both',
    ],
  ],
  [
    'a stated transport that contradicts',
    'backends: { a: { url: http://a, transport: stdio } }',
    [
      'toolgate.yaml:1:13: backends.a.command: missing: a backend with transport stdio needs a command',
      'toolgate.yaml:1:18: backends.a.url: belongs to a backend with a url (http), but its transport is stdio',
    ],
  ],
  [
    'a setting of the other form',
    'backends: { a: { url: http://a, args: [x] } }',
    ['toolgate.yaml:1:33: backends.a.args: belongs to a backend with a command (stdio), but it has a url'],
  ],
  [
    'neither url nor command',
    'backends: { a: { timeout: 1s } }',
    ['toolgate.yaml:1:13: backends.a.url: missing: a backend needs a url (http), a command (stdio) or rest'],
  ],
  [
    'endpoints that are none',
    'backends:\n  a: { url: http://a, endpoints: [] }\n  b: { url: [http://b, "ftp://c", http://b] }\n  c: { endpoints: [] }',
    [
      'toolgate.yaml:2:8: backends.a.url: a backend has either url or endpoints, not both',
      'toolgate.yaml:2:34: backends.a.endpoints: expected 1 to 64 endpoints; found 0',
      'toolgate.yaml:3:24: backends.b.url[1]: expected an http:// or https:// URL; found text',
      'toolgate.yaml:3:35: backends.b.url[2]: the same URL as another endpoint of this backend',
      'toolgate.yaml:4:19: backends.c.endpoints: expected 1 to 64 endpoints; found 0',
    ],
  ],
  [
    'health checks and ejection that make no sense',
    'backends:\n  a: { url: http://a, health: { path: health }, ejection: { share: 0% } }\n  b: { command: b, health: { path: /health } }\ngateway: { overload: { memory: 5% } }',
    [
      'toolgate.yaml:2:39: backends.a.health.path: expected a path on the server, such as /health; found "health"',
      'toolgate.yaml:2:68: backends.a.ejection.share: expected a share from 1% to 100%; found "0%"',
      'toolgate.yaml:3:30: backends.b.health.path: unknown setting; known here: interval, timeout, unhealthy, healthy',
      'toolgate.yaml:4:32: gateway.overload.memory: expected a share from 10% to 100%; found "5%"',
    ],
  ],
  [
    'a backend that is something else',
    'backends:\n  a: 5\n  b:',
    [
      'toolgate.yaml:2:6: backends.a: expected a URL, or a mapping with url, command or rest; found a number',
      'toolgate.yaml:3:5: backends.b: expected a URL, or a mapping with url, command or rest; found nothing',
    ],
  ],
  [
    'URLs that are not accepted, and never shown',
    'backends:\n  a: ftp://secret\n  b: http://user:secret@b/\n  c: http://c/#secret',
    [
      'toolgate.yaml:2:6: backends.a: expected an http:// or https:// URL; found text',
      'toolgate.yaml:3:6: backends.b: expected a URL without user and password: put credentials into headers; found text',
      'toolgate.yaml:4:6: backends.c: expected a URL without a fragment (#…); found text',
    ],
  ],
  [
    'names that are not accepted',
    'backends:\n  gateway: http://a\n  a b: http://a\n  a: http://a\n  a: http://b',
    [
      'toolgate.yaml:2:3: backends.gateway: the name gateway is reserved for the gateway itself',
      'toolgate.yaml:3:3: backends."a b": expected a name of 1 to 32 letters, digits, _ and -, starting with a letter or digit',
      'toolgate.yaml:5:3: backends.a: defined twice',
    ],
  ],
  [
    'headers, variables and arguments, whose values are never shown',
    'backends:\n  a: { url: http://a, headers: { Host: a, "X Y": b, Z: "a\\nsecret", N: 5 } }\n  b: { command: c, args: [8080], env: { A: true } }',
    [
      'toolgate.yaml:2:34: backends.a.headers.Host: the header Host is set by the gateway itself',
      'toolgate.yaml:2:43: backends.a.headers."X Y": expected the name of a header',
      'toolgate.yaml:2:56: backends.a.headers.Z: expected a header value: one line, no white space at its ends; found text',
      'toolgate.yaml:2:72: backends.a.headers.N: expected text (put numbers in quotes); found a number',
      'toolgate.yaml:3:27: backends.b.args[0]: expected text (put numbers, true and false in quotes); found a number',
      'toolgate.yaml:3:44: backends.b.env.A: expected text (put numbers, true and false in quotes); found true',
    ],
  ],
  [
    'words of a setting',
    'gateway: { names: prefx }\nlog: { level: verbose }\nadmin: 5\nbackends: { a: http://a }',
    [
      'toolgate.yaml:1:19: gateway.names: expected prefix, conflict or bare; found "prefx"; did you mean prefix?',
      'toolgate.yaml:2:15: log.level: expected debug, info, warn or error; found "verbose"',
      'toolgate.yaml:3:8: admin: expected a mapping (key: value); found the number 5',
    ],
  ],
  [
    'two documents',
    'backends: { a: http://a }\n---\nb: 1',
    ['toolgate.yaml:2:1: expected one document; found a second one after ---'],
  ],
  [
    'a key that means something to JavaScript',
    '__proto__: {}\nbackends: { a: http://a }',
    ['toolgate.yaml:1:1: a key must be a word'],
  ],
]

for (const [name, text, expected, env] of table) {
  test(`problem: ${name}`, () => assert.deepEqual(problems(text, env), expected))
}

test('aliases cannot blow up, and nesting is bounded', () => {
  const bomb = Array.from(
    { length: 30 },
    (_, i) => `a${i}: &a${i} [${i === 0 ? 'x' : `*a${i - 1}, *a${i - 1}`}]`,
  )
  for (const text of [
    bomb.join('\n'),
    'a: &a [*a, *a]',
    '['.repeat(20_000),
    `backends: ${'{ a: '.repeat(200)}1${' }'.repeat(200)}`,
  ]) {
    assert.ok(problems(text).some((line) => /nested too deeply/.test(line)))
  }
})

test('a file that is too large is refused', () => {
  assert.deepEqual(problems('#'.repeat(1024 * 1024 + 1)), ['toolgate.yaml: the file is larger than 1024 KiB'])
})

test('an admin listener on the network and a file without servers are warnings', () => {
  const result = parse('admin: { listen: "0.0.0.0:1" }\nbackends: {}')
  assert.deepEqual(result.ok && result.warnings.map(formatProblem), [
    'toolgate.yaml:2:1: backends: there are no backends, so there is nothing to serve',
    'toolgate.yaml:1:18: admin.listen: reachable from the network: whoever learns the admin token can see what the gateway does',
  ])
})

test('a file is read from disk, and a missing one is a problem', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'toolgate-config-'))
  try {
    const ports = { env: {}, readFile: async (path: string) => readFile(path, 'utf8') }
    await writeFile(join(dir, 'a.yaml'), 'backends: { a: { command: x } }')
    const result = await loadConfig(join(dir, 'a.yaml'), ports)
    assert.ok(result.ok && result.config.backends[0]?.transport === 'stdio')
    assert.equal(result.config.backends[0].cwd, dir)
    const missing = await loadConfig('missing.yaml', ports)
    assert.deepEqual(!missing.ok && missing.problems.map(formatProblem), [
      'missing.yaml: cannot be read: there is no such file',
    ])
  } finally {
    await rm(dir, { recursive: true })
  }
})
