// A secret in every place where one may be, a gateway that tells everything it can tell, and a look at all it told.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { createKey, readKey, storedHash } from '../src/auth/api-key.ts'
import { type RawBackend, type Reply, rawBackend, response } from './hostile/support/backend.ts'
import type { House } from './language/house.ts'
import { eventually } from './language/journal.ts'
import { type OtlpReceiver, otlpReceiver } from './language/otlp-receiver.ts'
import { type GatewayProcess, type Site, gatewayProcess, site, toolgate } from './language/process.ts'
import type { Scope } from './language/scope.ts'
import type { Arguments } from './language/stage.ts'
import { stdioServer } from './language/stdio-backend.ts'

/** One secret per source, so that a failure says where it came from. Neither looks like a key by itself. */
const canary = (source: string): string => `canary-${source}-5f2c`

const KEY = createKey()
const SECRET_OF_KEY = KEY.slice(12)
const STORED = storedHash(readKey(KEY) ?? assert.fail('no key'))

const SEALING = randomBytes(32).toString('base64url')

/** Where a client can put a secret, beside its credentials. */
const CLIENT_HEADERS = [
  'cookie',
  'x-custom',
  'user-agent',
  'referer',
  'accept-language',
  'proxy-authorization',
  'x-forwarded-for',
  'forwarded',
  'via',
  'from',
  'tracestate',
  'baggage',
  'traceparent',
  'last-event-id',
  'mcp-param-secret',
  'if-none-match',
]

/** What each tool of the backend says, all of it with a secret. */
const SAYINGS: Readonly<Record<string, (id: string, reply: Reply) => void>> = {
  fine: (id, reply) =>
    reply.json(response(id, saying('result', { structuredContent: { note: canary('result') } }))),
  tool_error: (id, reply) => reply.json(response(id, saying('tool-error', { isError: true }))),
  rpc_error: (id, reply) =>
    reply.json(
      response(
        id,
        `"error":{"code":-32000,"message":"${canary('rpc-error')}","data":{"note":"${canary('rpc-data')}"}}`,
      ),
    ),
  http_500: (_id, reply) =>
    reply.json(canary('http-body'), { status: 500, headers: { 'x-note': canary('http-header') } }),
  http_401: (_id, reply) =>
    reply.json(canary('http-401'), {
      status: 401,
      headers: { 'www-authenticate': `Bearer realm="${canary('realm')}"` },
    }),
  garbage: (_id, reply) => reply.json(`{"jsonrpc":"2.0",${canary('garbage')}`),
  wrong_shape: (id, reply) => reply.json(`{"jsonrpc":"2.0","id":${id},"${canary('member')}":1}`),
  wrong_id: (_id, reply) => reply.json(response(`"${canary('reply-id')}"`, saying('wrong-id'))),
  wrong_type: (id, reply) => reply.json(response(id, `"result":{"resultType":"${canary('result-type')}"}`)),
  event_garbage: (_id, reply) => reply.events(canary('event')),
  breaks_off: (_id, reply) => {
    reply.events(
      `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"${canary('notification')}"}}`,
    )
    reply.reset()
  },
}

function saying(source: string, more: object = {}): string {
  const content = [{ type: 'text', text: canary(source) }]
  return `"result":${JSON.stringify({ resultType: 'complete', content, ...more })}`
}

async function talkative(scope: Scope): Promise<RawBackend> {
  const capabilities = { tools: {}, resources: {}, prompts: {} }
  const known: Readonly<Record<string, object>> = {
    'server/discover': {
      supportedVersions: ['2026-07-28'],
      capabilities,
      serverInfo: { name: 'talkative', version: '1' },
      instructions: canary('instructions'),
    },
    'tools/list': {
      tools: Object.keys(SAYINGS).map((name) => ({
        name,
        description: canary('description'),
        inputSchema: { type: 'object' },
      })),
    },
    'prompts/list': { prompts: [] },
    'resources/list': { resources: [{ name: 'r', uri: 'file:///r' }] },
    'resources/templates/list': { resourceTemplates: [] },
  }
  const server = await rawBackend((received, reply) => {
    const found = known[received.rpc]
    if (found !== undefined) {
      const result = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public', ...found }
      return reply.json(response(received.id, `"result":${JSON.stringify(result)}`))
    }
    const { params = {} } = JSON.parse(received.body === '' ? '{}' : received.body) as {
      readonly params?: Arguments
    }
    const say = SAYINGS[String(params['name'])]
    if (say !== undefined) return say(received.id, reply)
    reply.json(response(received.id, `"error":{"code":-32603,"message":"${canary('other-error')}"}`))
  })
  scope.after(() => server.stop())
  return server
}

interface Everything {
  readonly serving: GatewayProcess
  readonly where: Site
  readonly collector: OtlpReceiver
  readonly backend: RawBackend
  readonly accessLog: string
}

/** A gateway with every signal on, at its most talkative, and a secret in every setting that may have one. */
async function everything(scope: Scope, told: object = {}): Promise<Everything> {
  const [backend, collector] = [await talkative(scope), await otlpReceiver(scope)]
  const process = await stdioServer(scope, 'modern')
  const hidden = await site(scope, { backends: {} })
  const env = {
    ...hidden.env,
    UNUSED_SECRET: canary('environment'),
    BACKEND_HEADER: canary('environment-header'),
  }
  const headers = { authorization: `Bearer ${canary('backend-header')}`, 'x-key': '${env:BACKEND_HEADER}' }
  const settings = {
    url: `${backend.url}?api_key=${canary('backend-url')}`,
    headers,
    era: 'modern',
    retry: { tries: 2, backoff: '1ms' },
    circuitBreaker: 'off',
    signing: { key: canary('signing-key-of-the-gateway'), keyId: 'gateway-1' },
  }
  const otlp = { endpoint: collector.endpoint, headers: { 'x-key': canary('otlp-header') }, interval: '1s' }
  const where = await site(scope, {
    backends: {
      crm: { settings },
      pipe: { settings: { ...process.settings, env: { TOKEN: canary('backend-environment') } } },
      away: { settings: { url: `http://127.0.0.1:9/${canary('path')}`, headers, circuitBreaker: 'off' } },
    },
    auth: { apiKeys: { keys: [{ name: 'ci', hash: STORED }] } },
    admin: { listen: '127.0.0.1:0' },
    gateway: {
      stateDir: 'state',
      sealing: { keys: [SEALING] },
      tools: { health: true },
    },
    more: {
      log: { level: 'debug', format: 'json' },
      telemetry: {
        accessLog: { to: 'calls.log', ...told },
        traces: { otlp, baggage: ['*'], ...told },
        metrics: { token: canary('scrape-token-of-the-gateway'), otlp: { ...otlp, interval: '1s' } },
        redact: ['arguments.hide_me', 'result.structuredContent.note', 'result.content.*.text'],
      },
    },
  })
  const serving = await gatewayProcess({ ...where, env: { ...env, ...where.env } })
  scope.after(async () => serving[Symbol.asyncDispose]())
  return { serving, where, collector, backend, accessLog: join(dirname(where.file), 'calls.log') }
}

type Raw = House['raw']

interface Called {
  /** What the callers got, for what they must not get. */
  readonly answers: string
  /** A legacy session: where nobody says who they are, whoever knows it has it. */
  readonly session: string
}

async function callEverything(raw: Raw): Promise<Called> {
  const answers: string[] = []
  const keep = (answer: Awaited<ReturnType<Raw['post']>>): void => {
    answers.push(JSON.stringify([answer.status, [...answer.headers], answer.messages]))
  }
  const authorization = `Bearer ${KEY}`
  const secrets = Object.fromEntries(CLIENT_HEADERS.map((name) => [name, canary(`header-${name}`)]))
  const args = {
    text: canary('argument'),
    deep: [{ password: canary('argument-password') }],
    hide_me: canary('argument-path'),
  }
  for (const tool of Object.keys(SAYINGS))
    keep(
      await raw.modern(
        'tools/call',
        {
          name: `crm_${tool}`,
          arguments: args,
          _meta: { baggage: `k=${canary('meta-baggage')}`, 'x/y': canary('meta') },
        },
        { headers: { authorization, ...secrets } },
      ),
    )
  const headers = { authorization, ...secrets }
  keep(await raw.modern('tools/call', { name: 'pipe_echo', arguments: args }, { headers }))
  keep(await raw.modern('tools/call', { name: 'pipe_fail', arguments: args }, { headers }))
  keep(await raw.modern('tools/call', { name: 'away_echo', arguments: args }, { headers }))
  keep(await raw.modern('tools/call', { name: 'gateway_health', arguments: {} }, { headers }))
  keep(
    await raw.modern(
      'tools/call',
      { name: 'crm_fine', arguments: [canary('argument-list')] as never },
      { headers },
    ),
  )
  keep(await raw.modern('tools/list', {}, { headers }))
  keep(await raw.modern('resources/read', { uri: `https://u:p@h/?q=${canary('uri-query')}` }, { headers }))
  // Who is refused before a call.
  for (const wrong of [
    `Bearer ${canary('wrong-token')}`,
    `Basic ${btoa(canary('basic'))}`,
    canary('no-scheme'),
  ])
    keep(await raw.modern('tools/list', {}, { headers: { ...secrets, authorization: wrong } }))
  keep(await raw.modern('tools/list', {}, { headers: { ...secrets, 'x-api-key': canary('wrong-key') } }))
  keep(
    await raw.modern(
      'tools/list',
      {},
      { headers: { ...headers, origin: `https://${canary('origin')}.example` } },
    ),
  )
  keep(
    await raw.modern('tools/list', {}, { headers: { ...headers, 'content-type': canary('content-type') } }),
  )
  keep(await raw.modern('tools/list', {}, { headers: { ...headers, accept: canary('accept') } }))
  keep(await raw.modern('tools/list', {}, { headers, route: `crm?token=${canary('query')}` }))
  keep(await raw.post(`{"jsonrpc":"2.0","${canary('bad-json')}"`, { headers }))
  keep(
    await raw.post(
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { headers: { ...headers, 'mcp-session-id': canary('session') } },
    ),
  )
  const session = await legacyCalls(raw, { headers, args }, keep)
  return { answers: answers.join('\n'), session }
}

async function legacyCalls(
  raw: Raw,
  { headers, args }: { readonly headers: Readonly<Record<string, string>>; readonly args: Arguments },
  keep: (answer: Awaited<ReturnType<Raw['post']>>) => void,
): Promise<string> {
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  }
  const opened = await raw.post({ jsonrpc: '2.0', id: 1, method: 'initialize', params }, { headers })
  const session = opened.headers.get('mcp-session-id') ?? ''
  const inside = { headers: { ...headers, 'mcp-session-id': session } }
  for (const name of ['crm_fine', 'crm_rpc_error', 'crm_http_500'])
    keep(
      await raw.post(
        { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name, arguments: args } },
        inside,
      ),
    )
  return session
}

/** Everything that the gateway told anybody but its callers and backends, by where. */
async function toldBy({
  serving,
  where,
  collector,
  accessLog,
}: Everything): Promise<ReadonlyMap<string, string>> {
  const { traces, metrics } = collector
  await eventually('signals were sent', () =>
    Promise.resolve(traces.entries.length > 0 && metrics.entries.length > 0),
  )
  const scraped = await scrapeOf(where)
  const status = await toolgate(where, 'status', '-c', where.file)
  serving.kill('SIGTERM')
  await serving.exit
  const requests = collector.requests.entries.map(({ path, bytes }) => `${path} ${bytes.toString('latin1')}`)
  return new Map([
    ['log', serving.stderr.entries.join('\n')],
    ['standard output', serving.stdout.entries.join('\n')],
    ['access log', await readFile(accessLog, 'utf8')],
    ['collector', requests.join('\n')],
    ['admin listener', scraped],
    ['toolgate status', `${status.stdout}\n${status.stderr}`],
  ])
}

/** What the admin listener says, to whom it knows and to whom it does not. */
async function scrapeOf({ env }: Site): Promise<string> {
  const folder = join(env['TOOLGATE_STATE_DIR'] ?? '', 'gateways')
  await mkdir(folder, { recursive: true })
  const [file = ''] = await readdir(folder)
  const { admin, token } = JSON.parse(await readFile(join(folder, file), 'utf8')) as {
    readonly admin: string
    readonly token: string
  }
  const said: string[] = []
  for (const path of ['/metrics', '/api/v1/status', '/api/v1/metrics', '/api/v1/health'])
    for (const authorization of [`Bearer ${token}`, `Bearer ${canary('wrong-admin-token')}`]) {
      const answer = await fetch(new URL(path, admin), { headers: { authorization } })
      said.push(`${answer.status} ${await answer.text()}`)
    }
  return said.join('\n')
}

/** Every canary in a text. */
function canariesIn(text: string): readonly string[] {
  return [...new Set(text.match(/canary-[a-z0-9-]+?-5f2c/g))].toSorted()
}

describe('a secret', () => {
  test('in any header, argument, variable, setting or error of a backend is told to nobody', async (t) => {
    const all = await everything(t)
    const { answers, session } = await callEverything(all.serving.raw)
    const told = await toldBy(all)
    // All of it happened.
    assert.match(told.get('access log') ?? '', /"outcome":"failed".*"code":"BACKEND_PROTOCOL"/)
    assert.match(told.get('access log') ?? '', /"outcome":"tool_error"/)
    assert.match(told.get('collector') ?? '', /tools\/call crm_rpc_error/)
    assert.match(told.get('log') ?? '', /"level":"debug"/)
    assert.match(
      told.get('admin listener') ?? '',
      /"crm"[^]*mcp_server_operation_duration|mcp_server_operation_duration[^]*"crm"/,
    )
    assert.match(told.get('collector') ?? '', /\/v1\/metrics/)
    assert.ok(session.length > 10)
    for (const [where, text] of told) {
      assert.ok(text !== '' || where === 'toolgate status', `${where} is empty`)
      assert.deepEqual(canariesIn(text), [], where)
      assert.ok(!text.includes(SECRET_OF_KEY), `${where} has the API key`)
      assert.ok(!text.includes(STORED.slice(-40)), `${where} has the hash of the API key`)
      assert.ok(!text.includes(session), `${where} has a session`)
      assert.ok(!text.includes(SEALING), `${where} has the sealing key`)
    }
    // A backend's own answers and words are for its caller, and nothing else is.
    assert.deepEqual(canariesIn(answers), [
      canary('argument'),
      canary('argument-password'),
      canary('argument-path'),
      canary('description'),
      canary('notification'),
      canary('result'),
      canary('rpc-data'),
      canary('rpc-error'),
      canary('tool-error'),
    ])
  })

  test('in arguments and results is hidden where these are told', async (t) => {
    const all = await everything(t, { arguments: true, results: true })
    await callEverything(all.serving.raw)
    const told = await toldBy(all)
    const shown = [canary('argument'), canary('argument-list')]
    // Lists and discovery are results too.
    const listed = [canary('description'), canary('instructions')]
    assert.deepEqual(canariesIn(told.get('collector') ?? ''), shown)
    assert.deepEqual(canariesIn(told.get('access log') ?? ''), [...shown, ...listed])
    for (const where of ['access log', 'collector']) assert.match(told.get(where) ?? '', /\[redacted\]/)
    for (const where of ['log', 'standard output', 'admin listener', 'toolgate status'])
      assert.deepEqual(canariesIn(told.get(where) ?? ''), [], where)
  })
})
