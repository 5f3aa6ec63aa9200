// The access log as operators have it: of a gateway in a process of its own.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { constants } from 'node:fs'
import { open, readFile, rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { createKey, storedHash, readKey } from '../src/auth/api-key.ts'
import { GENERATIONS } from './language/client.ts'
import { legacyServer, modernServer } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import { type Site, gatewayProcess, site, stdioClient, toolgate } from './language/process.ts'
import type { Configured, Scope } from './language/scope.ts'
import { stdioServer } from './language/stdio-backend.ts'

type Entry = Readonly<Record<string, unknown>>

async function entriesIn(file: string): Promise<readonly Entry[]> {
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Entry)
}

/** Waits until the file has a line that fits. */
async function entryIn(file: string, fits: (entry: Entry) => boolean): Promise<Entry> {
  let found: Entry | undefined
  await eventually('the line is there', async () => {
    found = (await entriesIn(file)).find(fits)
    return found !== undefined
  })
  return found ?? {}
}

async function logged(scope: Scope, accessLog: Entry = {}, backend?: Configured) {
  const server = backend ?? (await modernServer(scope))
  const telemetry = { accessLog: { to: 'calls.log', ...accessLog } }
  const where: Site = await site(scope, { backends: { crm: server }, more: { telemetry } })
  return { where, file: join(dirname(where.file), 'calls.log') }
}

const isCall = (entry: Entry): boolean => entry['method'] === 'tools/call'

describe('a line per call', () => {
  for (const generation of GENERATIONS)
    for (const [era, start] of [
      ['modern', modernServer],
      ['legacy', legacyServer],
    ] as const)
      test(`of a ${generation} client and a ${era} backend`, async (t) => {
        const { where, file } = await logged(t, {}, await start(t))
        await using serving = await gatewayProcess(where)
        const client = await serving.client(generation)
        await client.call('crm_progress', { steps: 3 })
        await client.close()
        const line = await entryIn(file, isCall)
        assert.deepEqual(
          [
            'kind',
            'outcome',
            'name',
            'backendName',
            'backend',
            'route',
            'tries',
            'client',
            'backendEra',
            'anonymous',
          ].map((name) => line[name]),
          ['call', 'ok', 'crm_progress', 'progress', 'crm', '/mcp', 1, 'test-client', era, true],
        )
        assert.equal(line['era'], generation === 'modern' || generation === 'auto' ? 'modern' : 'legacy')
        assert.equal(line['address'], '127.0.0.1')
        assert.ok(Number(line['bytesOut']) > 0 && Number(line['bytesIn']) > 0)
        assert.ok(Number(line['backendMs']) <= Number(line['durationMs']))
      })

  test('comes when its stream has ended', async (t) => {
    const server = await modernServer(t)
    const { where, file } = await logged(t, {}, server)
    await using serving = await gatewayProcess(where)
    const client = await serving.client('modern')
    const answer = client.call('crm_wait', {})
    await server.journal.until((entry) => entry.kind === 'call')
    // Later calls have theirs already.
    await client.call('crm_echo', {})
    await entryIn(file, (entry) => entry['name'] === 'crm_echo')
    assert.ok(!(await entriesIn(file)).some((entry) => entry['name'] === 'crm_wait'))
    server.release()
    await answer
    await client.close()
    await entryIn(file, (entry) => entry['name'] === 'crm_wait' && entry['outcome'] === 'ok')
  })

  test('says that its client left', async (t) => {
    const server = await modernServer(t)
    const { where, file } = await logged(t, {}, server)
    await using serving = await gatewayProcess(where)
    const leaving = new AbortController()
    const answer = serving.raw.modern(
      'tools/call',
      { name: 'crm_wait', arguments: {} },
      { signal: leaving.signal },
    )
    await server.journal.until((entry) => entry.kind === 'call')
    leaving.abort()
    await assert.rejects(answer)
    const line = await entryIn(file, isCall)
    assert.deepEqual([line['outcome'], line['code']], ['cancelled', 'CANCELLED'])
  })

  test('is there for calls over a pipe, to a file', async (t) => {
    const server = await stdioServer(t, 'legacy')
    const { where, file } = await logged(t, {}, server)
    const client = await stdioClient(where, 'modern')
    await client.call('crm_echo', {})
    await client.close()
    const line = await entryIn(file, isCall)
    assert.deepEqual([line['transport'], line['outcome'], line['backendEra']], ['stdio', 'ok', 'legacy'])
  })
})

describe('a line per refused exchange', () => {
  test('of somebody who is not known, of what is no message, and of what is not there', async (t) => {
    const server = await modernServer(t)
    const key = createKey()
    const parts = readKey(key)
    assert.ok(parts !== undefined)
    const apiKeys = { keys: [{ name: 'ci', hash: storedHash(parts) }] }
    const telemetry = { accessLog: { to: 'calls.log' } }
    const where = await site(t, { backends: { crm: server }, auth: { apiKeys }, more: { telemetry } })
    const file = join(dirname(where.file), 'calls.log')
    await using serving = await gatewayProcess(where)
    const headers = { authorization: `Bearer ${key}` }
    await serving.raw.modern('tools/list')
    await serving.raw.post('{"jsonrpc":', { headers })
    await serving.raw.modern('tools/list', {}, { headers, route: 'nobody/knows?secret=1' })
    await serving.raw.modern('tools/call', { name: 'crm_echo', arguments: {} }, { headers })
    const call = await entryIn(file, isCall)
    assert.deepEqual([call['issuer'], call['subject'], call['apiKey']], ['toolgate:keys', 'ci', parts.id])
    assert.deepEqual(
      (await entriesIn(file))
        .filter(({ kind }) => kind === 'http')
        .map(({ path, status, code }) => [path, status, code]),
      [
        ['/mcp', 401, 'UNAUTHENTICATED'],
        ['/mcp', 400, 'PARSE_ERROR'],
        ['/mcp/nobody/knows', 404, 'UNKNOWN_PATH'],
      ],
    )
    assert.ok(!(await readFile(file, 'utf8')).includes(key.slice(12)))
  })
})

describe('a file', () => {
  test('that was moved away is opened again at SIGHUP, and no line is lost', async (t) => {
    const { where, file } = await logged(t)
    await using serving = await gatewayProcess(where)
    const call = async (from: number, to: number): Promise<void> => {
      for (let id = from; id < to; id++)
        await serving.raw.modern('tools/call', { name: 'crm_echo', arguments: {} }, { id })
    }
    await call(0, 50)
    await entryIn(file, isCall)
    await rename(file, `${file}.1`)
    const more = call(50, 100)
    serving.kill('SIGHUP')
    await serving.stderr.until((line) => line.includes('log files are opened again'))
    await more
    await call(100, 150)
    serving.kill('SIGTERM')
    assert.deepEqual(await serving.exit, { code: 0, signal: null })
    const [old, fresh] = await Promise.all([entriesIn(`${file}.1`), entriesIn(file)])
    assert.equal([...old, ...fresh].filter(isCall).length, 150)
    assert.ok(fresh.filter(isCall).length >= 50)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
  })

  test('that is a pipe which nobody reads stops neither a call nor the end, which says what was lost', async (t) => {
    const { where, file } = await logged(t)
    execFileSync('mkfifo', [file])
    const holder = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
    t.after(async () => holder.close())
    await using serving = await gatewayProcess(where)
    for (let id = 0; id < 400; id++) {
      const { status } = await serving.raw.modern('tools/call', { name: 'crm_echo', arguments: {} }, { id })
      assert.equal(status, 200)
    }
    serving.kill('SIGTERM')
    assert.deepEqual(await serving.exit, { code: 0, signal: null })
    const said = serving.stderr.entries.filter((line) =>
      line.includes('lines of the access log were dropped'),
    )
    assert.equal(said.length, 1)
  })

  test('that cannot be written ends the start, with the reason', async (t) => {
    const { where } = await logged(t, { to: 'missing/calls.log' })
    const { code, stderr } = await toolgate(where, 'serve', '-c', where.file)
    assert.equal(code, 1)
    assert.match(stderr, /cannot write the access log to .*missing\/calls\.log: ENOENT/)
  })
})

describe('standard output', () => {
  test('takes JSON lines where no terminal is', async (t) => {
    const { where } = await logged(t, { to: 'stdout' })
    await using serving = await gatewayProcess(where)
    await serving.raw.modern('tools/call', { name: 'crm_echo', arguments: {} })
    const line = await serving.stdout.until((text) => text.includes('"tools/call"'))
    assert.equal((JSON.parse(line) as Entry)['outcome'], 'ok')
  })

  test('is not for an access log where the protocol is spoken on it', async (t) => {
    const { where } = await logged(t, { to: 'stdout' })
    const { code, stderr } = await toolgate(where, 'stdio', where.file)
    assert.equal(code, 1)
    assert.match(stderr, /the access log cannot go to stdout here/)
  })
})

test('a gateway that is told to trace nothing loads nothing of OpenTelemetry', async (t) => {
  const { where } = await logged(t)
  const hook = `import { registerHooks } from 'node:module'
registerHooks({
  load(url, context, next) {
    if (url.includes('@opentelemetry')) process.stderr.write('LOADED ' + url + '\\n')
    return next(url, context)
  },
})`
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(hook)}`
  const env = { ...where.env, NODE_OPTIONS }
  const calling = async (at: Site): Promise<readonly string[]> => {
    await using serving = await gatewayProcess({ ...at, env: { ...env, ...at.env, NODE_OPTIONS } })
    await serving.raw.modern('tools/call', { name: 'crm_echo', arguments: {} })
    serving.kill('SIGTERM')
    await serving.exit
    return serving.stderr.entries.filter((line) => line.startsWith('LOADED'))
  }
  assert.deepEqual(await calling(where), [])
  const traces = { otlp: { endpoint: 'http://127.0.0.1:9', timeout: '1s' } }
  const tracing = await site(t, { backends: { crm: await modernServer(t) }, more: { telemetry: { traces } } })
  // Shows that it would have been seen.
  assert.notDeepEqual(await calling(tracing), [])
})
