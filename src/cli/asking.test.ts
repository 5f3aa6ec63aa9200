import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type IncomingHttpHeaders, type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, after, before, test } from 'node:test'
import { type FakeWorld, type Ran, run } from '../../test/cli/fake-io.ts'
import { eventually } from '../../test/language/journal.ts'
import { type ToolServer, startToolServer } from '../../test/cli/tool-server.ts'

let server: ToolServer
let cwd: string

before(async () => {
  server = await startToolServer()
  cwd = await mkdtemp(join(tmpdir(), 'toolgate-cli-'))
})

after(async () => {
  await server.close()
  await rm(cwd, { recursive: true })
})

const call = async (tool: string, ...args: readonly string[]): Promise<Ran> =>
  run({ cwd }, 'call', tool, '--url', server.url, ...args)

/** Writes what a running gateway tells the command line. */
const announce = async (state: string, name: string, gateway: object): Promise<void> => {
  await mkdir(join(state, 'gateways'), { recursive: true })
  await writeFile(join(state, 'gateways', `${name}.json`), JSON.stringify(gateway), { mode: 0o600 })
}

test('tools lists names, arguments and descriptions', async () => {
  const { code, stdout } = await run({ cwd }, 'tools', '--url', server.url)
  assert.equal(code, 0)
  assert.ok(
    stdout.startsWith(
      'echo words [count] [loud] [tags] [options]\n  Says what it was given, and how it was typed\nsum\n',
    ),
    stdout,
  )
})

test('tools --json prints what the server wrote', async () => {
  const { stdout } = await run({ cwd }, 'tools', '--json', '--url', server.url)
  const tools = JSON.parse(stdout) as readonly { readonly name: string; readonly inputSchema: object }[]
  assert.deepEqual(
    tools.map(({ name }) => name),
    ['echo', 'sum', 'wrapped', 'fail', 'paint', 'work'],
  )
  assert.ok('properties' in (tools[0]?.inputSchema ?? {}))
})

test('call types its arguments by the schema of the tool', async () => {
  const typed = ['words=1', 'count=2.50', 'loud=true', 'tags=a', 'tags=b'].flatMap((each) => ['--arg', each])
  const json = '{"options":{"a":1},"words":"overridden"}'
  const { code, stdout } = await call('echo', ...typed, '--args-json', json)
  assert.equal(code, 0)
  assert.deepEqual(JSON.parse(stdout), {
    words: '1',
    count: 2.5,
    loud: true,
    tags: ['a', 'b'],
    options: { a: 1 },
  })
})

test('call prints structured content once, and everything else by its kind', async () => {
  assert.equal((await call('sum')).stdout, '{\n  "sum": 3\n}\n')
  assert.equal((await call('wrapped')).stdout, 'two\nlines\n')
  assert.equal((await call('paint')).stdout, '[image image/png, 3 bytes]\nred \u001B[31malert\u001B[0m\n')
})

test('a terminal gets no control characters from a tool', async () => {
  const { stdout } = await run({ cwd, isTTY: true }, 'call', 'paint', '--url', server.url)
  assert.equal(stdout, '[image image/png, 3 bytes]\nred �[31malert�[0m\n')
})

test('call --json prints the result as it came', async () => {
  const { stdout } = await call('sum', '--json')
  assert.deepEqual((JSON.parse(stdout) as { readonly structuredContent: object }).structuredContent, {
    sum: 3,
  })
})

test('progress goes to stderr, the result to stdout', async () => {
  const { stdout, stderr } = await call('work')
  assert.equal(stderr, 'progress 1/2 step 1\nprogress 2/2 step 2\n')
  assert.equal(stdout, 'done\n')
})

test('a tool that fails gives exit code 1', async () => {
  const { code, stdout, stderr } = await call('fail')
  assert.deepEqual([code, stdout, stderr], [1, 'it went wrong\n', 'the tool reports an error\n'])
})

test('an unknown tool, wrong arguments and a missing gateway say what to do', async () => {
  const unknown = await call('ecko')
  assert.equal(unknown.code, 1)
  assert.equal(
    unknown.stderr,
    'toolgate: unknown tool: ecko; did you mean echo?\ntoolgate tools lists those that exist.\n',
  )
  assert.match((await call('pai')).stderr, /unknown tool: pai; did you mean paint\?/)
  assert.match(
    (await call('echo', '--arg', 'count=many')).stderr,
    /--arg count: expected number; found "many"/,
  )
  assert.match((await call('echo', '--arg', 'words')).stderr, /--arg words: expected name=value/)
  assert.match((await call('echo', '--args-json', '[1]')).stderr, /--args-json must be a JSON object/)
  const closed = await startToolServer()
  await closed.close()
  const missing = await run({ cwd }, 'tools', '--url', closed.url)
  assert.deepEqual(
    [missing.code, missing.stderr],
    [1, `toolgate: no gateway at ${closed.url}: start one with \`toolgate serve\`\n`],
  )
})

/** Two pages of tools, one with a mirrored parameter; every call is refused. */
const refusing = (seen: IncomingHttpHeaders[], bodies: string[]): Server =>
  createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      seen.push(request.headers)
      bodies.push(body)
      const { id, method, params } = JSON.parse(body) as {
        readonly id: number
        readonly method: string
        readonly params: { readonly cursor?: string }
      }
      const region = { type: 'integer', 'x-mcp-header': 'Region' }
      const tool = {
        name: 'größe',
        inputSchema: { type: 'object', properties: { region }, additionalProperties: false },
      }
      const page = params.cursor === '' ? { tools: [tool] } : { tools: [], nextCursor: '' }
      const error = { code: -31403, message: 'Not for you', data: { hint: 'Ask the operator.' } }
      const answer = method === 'tools/list' ? { result: { ...page, resultType: 'complete' } } : { error }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }))
    })
  })

test('headers mirror the body, every page is read, and an error is a message with its hint', async () => {
  const seen: IncomingHttpHeaders[] = []
  const bodies: string[] = []
  const other = refusing(seen, bodies)
  await new Promise<void>((resolve) => {
    other.listen(0, '127.0.0.1', resolve)
  })
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}/mcp`
  const plain = await run(
    { cwd, env: { TOOLGATE_TOKEN: 'tg_1_x' } },
    'call',
    'größe',
    '--url',
    url,
    '--arg',
    'region=7',
  )
  const json = await run({ cwd }, 'call', 'größe', '--url', url, '--json')
  const typo = await run({ cwd }, 'call', 'größe', '--url', url, '--arg', 'regoin=7')
  other.closeAllConnections()
  other.close()
  assert.deepEqual([plain.code, plain.stderr], [1, 'toolgate: Not for you (-31403)\nAsk the operator.\n'])
  assert.deepEqual(
    [json.code, JSON.parse(json.stdout)],
    [1, { error: { code: -31403, message: 'Not for you', data: { hint: 'Ask the operator.' } } }],
  )
  assert.equal(
    typo.stderr,
    'toolgate: --arg regoin: the tool has no such argument; did you mean region?\nIt takes region.\n',
  )
  const headers = seen[2]
  assert.deepEqual(
    [headers?.['mcp-method'], headers?.['mcp-protocol-version'], headers?.['mcp-param-region']],
    ['tools/call', '2026-07-28', '7'],
  )
  assert.equal(headers?.['mcp-name'], `=?base64?${Buffer.from('größe').toString('base64')}?=`)
  assert.ok(seen.slice(0, 3).every(({ authorization }) => authorization === 'Bearer tg_1_x'))
  assert.equal(seen.at(-1)?.authorization, undefined)
  assert.match(bodies[2] ?? '', /"arguments":\{"region":7\}/)
})

test('what answers but is no gateway is named', async () => {
  const other = createServer((_request, response) => response.writeHead(404).end('<html>'))
  await new Promise<void>((resolve) => {
    other.listen(0, '127.0.0.1', resolve)
  })
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}/mcp`
  const { code, stderr } = await run({ cwd }, 'tools', '--url', url)
  other.closeAllConnections()
  other.close()
  assert.equal(code, 1)
  assert.match(stderr, /answered HTTP 404 and no MCP message\nIs this the URL of a gateway\?/)
})

test('the gateway that runs here is found by its file, those that have ended are passed over', async () => {
  const state = await mkdtemp(join(tmpdir(), 'toolgate-state-'))
  const env = { TOOLGATE_STATE_DIR: state }
  await announce(state, '1', { url: server.url, pid: 1 })
  await announce(state, '2', { url: 'http://127.0.0.1:1/mcp', pid: 2 })
  await writeFile(join(state, 'gateways', '3.json'), '{"half')
  const found = await run({ cwd, env, alive: (pid) => pid === 1 }, 'call', 'sum')
  assert.equal(found.stdout, '{\n  "sum": 3\n}\n')
  const several = await run({ cwd, env }, 'call', 'sum')
  assert.match(several.stderr, /^toolgate: several gateways run here: .*\nChoose one with --url\.\n$/)
  await rm(state, { recursive: true })
})

test('the gateway of a configuration is found by its address', async () => {
  const { host } = new URL(server.url)
  await writeFile(join(cwd, 'own.yaml'), `gateway: { listen: "${host}" }\nbackends: { a: http://a }`)
  assert.equal((await run({ cwd }, 'call', 'sum', '-c', 'own.yaml')).stdout, '{\n  "sum": 3\n}\n')
})

test('Ctrl-C ends a call with exit code 130', async () => {
  const { code, stderr } = await run({ cwd, signal: AbortSignal.abort() }, 'call', 'sum', '--url', server.url)
  assert.deepEqual([code, stderr], [130, ''])
})

const STATUS = {
  gateway: {
    name: 'mcp-gateway',
    version: '0.1.0',
    url: 'http://127.0.0.1:8080/mcp',
    startedAt: '2026-11-22',
  },
  backends: [
    {
      name: 'github',
      transport: 'http',
      era: 'modern',
      state: 'degraded',
      reason: '1 of 2 endpoints are out of rotation',
      since: '2026-11-22T08:30:00.000Z',
      latencyMs: 4.2,
      tools: 2,
      restarts: 0,
      endpoints: [
        {
          url: 'http://127.0.0.1:8001/mcp',
          state: 'healthy',
          reason: null,
          since: '2026-11-22T08:00:00.000Z',
          latencyMs: 4.2,
          ejectedUntil: null,
        },
        {
          url: 'http://127.0.0.1:8002/mcp',
          state: 'unreachable',
          reason: 'connection refused',
          since: '2026-11-22T08:30:00.000Z',
          latencyMs: null,
          ejectedUntil: '2026-11-22T08:31:00.000Z',
        },
      ],
    },
    {
      name: 'storage',
      transport: 'stdio',
      era: null,
      state: 'unreachable',
      reason: 'exited with code 1',
      since: '2026-11-22T08:29:59.500Z',
      tools: null,
      restarts: 3,
    },
  ],
}

const RECENT = { windowMs: 60_000, perSecond: 12.5, calls: 750, errors: 3, toolErrors: 0, refused: 1 }
const METRICS = {
  recent: { ...RECENT, latencyMs: { mean: 5, p50: 4.4, p90: 20, p99: 1234 } },
  open: { calls: 1, sessions: 2, streams: 0, subscriptions: 3, parked: 0 },
  backends: {
    github: { recent: { ...RECENT, errors: 0, toolErrors: 2, refused: 0, latencyMs: null } },
    storage: { recent: { ...RECENT, perSecond: 0, calls: 0, errors: 0, refused: 0, latencyMs: null } },
  },
}

/** What an admin listener answers; undefined where there is no such thing. */
interface Admin {
  readonly status: () => object
  readonly metrics: object | undefined
}

/** The world of a command beside a gateway whose admin listener answers so; and what it was asked. */
async function beside(
  t: TestContext,
  { status, metrics }: Admin,
): Promise<{ readonly world: FakeWorld; readonly seen: readonly string[]; readonly stop: () => void }> {
  const seen: string[] = []
  const admin = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers.authorization}`)
    const document = request.url === '/api/v1/status' ? status() : metrics
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(document ?? {}))
  })
  await new Promise<void>((resolve) => {
    admin.listen(0, '127.0.0.1', resolve)
  })
  const state = await mkdtemp(join(tmpdir(), 'toolgate-state-'))
  const stop = (): void => {
    admin.closeAllConnections()
    admin.close()
  }
  t.after(async () => {
    stop()
    await rm(state, { recursive: true })
  })
  const url = `http://127.0.0.1:${(admin.address() as AddressInfo).port}`
  await announce(state, '7', { admin: url, token: 'sesame', url: STATUS.gateway.url, pid: 7 })
  return { world: { cwd, env: { TOOLGATE_STATE_DIR: state } }, seen, stop }
}

const BACKENDS = `mcp-gateway 0.1.0  http://127.0.0.1:8080/mcp

BACKEND               STATE        LATENCY  ERA     TRANSPORT  TOOLS  REASON
github                degraded     4ms      modern  http       2      1 of 2 endpoints are out of rotation, since 2026-11-22 08:30:00Z
  127.0.0.1:8001/mcp  healthy      4ms
  127.0.0.1:8002/mcp  unreachable  -                                  ejected until 2026-11-22 08:31:00Z; connection refused, since 2026-11-22 08:30:00Z
storage               unreachable  -        -       stdio      -      exited with code 1, since 2026-11-22 08:29:59Z (3 restarts)
`

test('status asks the admin listener with its token and prints how backends are and how calls went', async (t) => {
  const { world, seen } = await beside(t, { status: () => STATUS, metrics: METRICS })
  const { code, stdout, stderr } = await run({ ...world, columns: 200 }, 'status')
  const json = await run(world, 'status', '--json')
  assert.deepEqual(seen.slice(0, 2).toSorted(), [
    '/api/v1/metrics Bearer sesame',
    '/api/v1/status Bearer sesame',
  ])
  assert.deepEqual([code, stderr], [0, ''])
  assert.equal(
    stdout,
    `${BACKENDS}
LAST 1m   CALLS/S  P50  P99   ERRORS
all       12.5     4ms  1.2s  3 (<1%), 1 refused
  github  12.5     -    -     2 of tools
open: 1 call, 0 calls waiting for input, 0 streams, 3 subscriptions, 2 sessions
`,
  )
  assert.deepEqual(JSON.parse(json.stdout), { ...STATUS, metrics: METRICS })
  assert.equal(json.stdout.trimEnd().split('\n').length, 1)
  assert.ok(!stdout.includes('sesame') && !json.stdout.includes('sesame'))
  const narrow = await run({ ...world, columns: 40 }, 'status')
  const traffic = narrow.stdout
    .split('\n')
    .slice(narrow.stdout.split('\n').findIndex((line) => line.startsWith('LAST')))
  for (const line of traffic) assert.ok(line.length <= 48, line)
  assert.ok(!narrow.stdout.includes('\u001B'))
})

test('status of a gateway that measures nothing, or is older, is that of its backends', async (t) => {
  const { world } = await beside(t, { status: () => STATUS, metrics: undefined })
  assert.equal((await run({ ...world, columns: 200 }, 'status')).stdout, BACKENDS)
  assert.deepEqual(JSON.parse((await run(world, 'status', '--json')).stdout), STATUS)
})

test('status --watch shows it again until Ctrl-C: on a terminal in place, elsewhere one below the other', async (t) => {
  const watch = async (over: Partial<FakeWorld>, ...args: readonly string[]): Promise<Ran> => {
    const controller = new AbortController()
    let looks = 0
    const status = (): object => {
      if (++looks === 3) controller.abort()
      return { ...STATUS, backends: [], looks }
    }
    const { world } = await beside(t, { status, metrics: undefined })
    return run(
      { ...world, ...over, signal: controller.signal },
      'status',
      '--watch',
      '--interval',
      '100ms',
      ...args,
    )
  }
  const head = 'mcp-gateway 0.1.0  http://127.0.0.1:8080/mcp\nno backends\n'
  const piped = await watch({})
  assert.deepEqual(piped, { code: 0, stdout: `${head}\n${head}`, stderr: '' })
  const terminal = await watch({ isTTY: true })
  assert.equal(terminal.stdout, `\u001B[2J\u001B[H${head}`.repeat(2))
  const json = await watch({}, '--json')
  const lines = json.stdout.trimEnd().split('\n')
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { looks: number }).looks),
    [1, 2],
  )
})

test('status --watch goes on while its gateway is away, and says so', async (t) => {
  const controller = new AbortController()
  const { world, stop } = await beside(t, { status: () => ({ ...STATUS, backends: [] }), metrics: undefined })
  let printed = ''
  const watching = run(
    { ...world, signal: controller.signal, onPrint: (text) => (printed += text) },
    'status',
    '--watch',
    '--interval',
    '100ms',
  )
  await eventually('it is shown', () => printed.includes('no backends'))
  stop()
  await eventually('it is missed', () => printed.includes('does not answer'))
  controller.abort()
  assert.equal((await watching).code, 0)
})

test('options of status that make no sense are refused', async () => {
  const alone = await run({ cwd }, 'status', '--interval', '2s')
  assert.deepEqual([alone.code, alone.stderr], [1, 'toolgate: --interval needs --watch\n'])
  const bad = await run({ cwd }, 'status', '--watch', '--interval', '2')
  assert.match(bad.stderr, /--interval: expected a duration with its unit/)
})

test('status without a gateway, or without its admin listener, says so', async () => {
  const state = await mkdtemp(join(tmpdir(), 'toolgate-state-'))
  const world = { cwd, env: { TOOLGATE_STATE_DIR: state } }
  const none = await run(world, 'status')
  assert.deepEqual(
    [none.code, none.stderr],
    [
      1,
      'toolgate: no gateway at http://127.0.0.1:8080/mcp: start one with `toolgate serve`\n' +
        'Only gateways that you started on this machine are seen, and none that says `admin: false`.\n',
    ],
  )
  await announce(state, '7', { url: server.url, pid: 7 })
  assert.match(
    (await run(world, 'status')).stderr,
    /the gateway at .* has no admin listener\nThe address was taken/,
  )
  await rm(state, { recursive: true })
})
