// How a gateway begins and ends, and how it finds its backends again.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { suite, test } from 'node:test'
import { gateway } from './language/house.ts'
import { type HttpBackend, legacyServer, modernServer, v1Server } from './language/http-backend.ts'
import { everything } from './language/official.ts'
import { gatewayProcess, site, toolgate } from './language/process.ts'
import { stdioServer } from './language/stdio-backend.ts'

const initialized = (backend: HttpBackend): number =>
  backend.journal.count((entry) => entry.kind === 'request' && entry.method === 'initialize')

suite('a gateway that is told to stop', () => {
  for (const generation of ['modern', 'v1'] as const) {
    test(`lets the call of a ${generation} client finish, takes no new one, and ends with its children`, async (t) => {
      const modern = await modernServer(t)
      const piped = await stdioServer(t, 'legacy')
      const where = await site(t, { backends: { modern, piped, everything } })
      await using serving = await gatewayProcess(where)
      await using client = await serving.client(generation)
      const calls = [client.call('modern_wait'), client.call('piped_wait')]
      await Promise.all(
        [modern, piped].map(async ({ journal }) => journal.until(({ kind }) => kind === 'call')),
      )
      const [pid] = piped.running()

      serving.kill('SIGTERM')
      await serving.stderr.until((line) => line.startsWith('Stopping'))
      await assert.rejects(serving.client(generation))
      modern.release()
      piped.release()
      const answers = await Promise.all(calls)
      assert.deepEqual(
        answers.map(({ text }) => text),
        ['modern: released', 'stdio-legacy: released'],
      )
      assert.deepEqual(await serving.exit, { code: 0, signal: null })
      await piped.lives.until((life) => life.event === 'ended' && life.pid === pid)
    })
  }

  test('ends calls that take longer than it may drain', async (t) => {
    const modern = await modernServer(t)
    const where = await site(t, { backends: { modern }, gateway: { drain: '50ms' } })
    await using serving = await gatewayProcess(where)
    const call = serving.raw.modern('tools/call', { name: 'modern_wait', arguments: {} })
    const ended = assert.rejects(call)
    await modern.journal.until(({ kind }) => kind === 'call')
    serving.kill('SIGTERM')
    assert.deepEqual(await serving.exit, { code: 0, signal: null })
    await ended
    await modern.journal.until(({ kind }) => kind === 'cancelled')
  })
})

test('a child that survives the death of its gateway is ended by the next one', async (t) => {
  const piped = await stdioServer(t, 'v1', { stubborn: true })
  const where = await site(t, { backends: { piped } })
  await using first = await gatewayProcess(where)
  const [left] = piped.running()
  first.kill('SIGKILL')
  assert.equal((await first.exit).signal, 'SIGKILL')

  await using second = await gatewayProcess(where)
  const next = await piped.lives.until(({ event, pid }) => event === 'began' && pid !== left)
  assert.deepEqual(
    piped.lives.entries,
    [{ event: 'began', pid: left }, { event: 'ended', pid: left }, next],
    'it ended before its successor began',
  )
  // It was found running, so it had not ended by itself.
  assert.match(second.stderr.entries.join('\n'), /ended a process left behind by a killed gateway/)
  const { response } = await second.raw.modern('tools/call', { name: 'piped_echo', arguments: {} })
  assert.match(JSON.stringify(response.result), /stdio-v1: /)
})

suite('a legacy session that the server forgot', () => {
  for (const [kind, serve] of [
    ['second', legacyServer],
    ['first', v1Server],
  ] as const) {
    test(`is initialised once more for all calls that need it (${kind} SDK)`, async (t) => {
      const old = await serve(t)
      await using house = await gateway({ backends: { old } })
      assert.equal(initialized(old), 1)
      await old.forgetSessions()
      const answers = await Promise.all(
        Array.from({ length: 8 }, async (_, index) =>
          house.raw.modern('tools/call', { name: 'old_echo', arguments: { index } }, { id: index }),
        ),
      )
      answers.forEach(({ status, response }, index) => {
        assert.equal(status, 200, JSON.stringify(response))
        assert.match(JSON.stringify(response.result), new RegExp(`index\\\\":${index}`))
      })
      assert.equal(initialized(old), 2)
      // Each was carried out once: what a forgotten session refuses was not done.
      assert.equal(
        old.journal.count(({ kind: what }) => what === 'call'),
        8,
      )
    })
  }
})

suite('a server that is replaced by one of the other era', () => {
  for (const [before, after] of [
    ['modern', 'legacy'],
    ['modern', 'v1'],
    ['legacy', 'modern'],
    ['v1', 'modern'],
  ] as const) {
    test(`is found out: ${before}, then ${after}`, async (t) => {
      const serve = { modern: modernServer, legacy: legacyServer, v1: v1Server }[before]
      const changing = await serve(t)
      await using house = await gateway({ backends: { changing } })
      const era = (): string | undefined => house.gateway.report()[0]?.identity?.era
      assert.equal(era(), before === 'modern' ? 'modern' : 'legacy')
      await changing.stop()
      await changing.start(after)
      const { status, response } = await house.raw.modern('tools/call', {
        name: 'changing_echo',
        arguments: { now: after },
      })
      assert.equal(status, 200, JSON.stringify(response))
      assert.match(JSON.stringify(response.result), new RegExp(after))
      assert.equal(era(), after === 'modern' ? 'modern' : 'legacy')
    })
  }
})

test('the start-up table and `toolgate status` show every backend, and why one is down', async (t) => {
  const modern = await modernServer(t)
  const old = await v1Server(t)
  const piped = await stdioServer(t, 'legacy')
  const dead = await modernServer(t)
  await dead.stop()
  const broken = { settings: { command: 'no-such-program-anywhere' } }
  const where = await site(t, {
    backends: { modern, old, piped, dead, broken },
    admin: { listen: '127.0.0.1:0' },
  })
  await using serving = await gatewayProcess(where)
  await serving.stdout.until((line) => line.includes('backends up'))
  const banner = serving.stdout.entries.join('\n')
  assert.match(banner, /^ *modern +modern +http +4 +ready in /m)
  assert.match(banner, /^ *old +legacy +http +4 +ready in /m)
  assert.match(banner, /^ *piped +legacy +stdio +4 +ready in /m)
  assert.match(banner, /^ *dead +- +http +- +down: .*refused/m)
  assert.match(banner, /^ *broken +- +stdio +- +down: command not found:/m)
  assert.match(banner, /^3 of 5 backends up\./m)

  const shown = await toolgate(where, 'status')
  assert.equal(shown.code, 0, shown.stderr)
  assert.match(shown.stdout, /^ *modern +healthy +\S+ +modern +http +4$/m)
  assert.match(shown.stdout, /^ *dead +unreachable +- +- +http +- .*refused/m)
  const json = await toolgate(where, 'status', '--json')
  const document = JSON.parse(json.stdout) as {
    readonly gateway: { readonly url: string }
    readonly backends: readonly {
      readonly name: string
      readonly state: string
      readonly tools: number | null
    }[]
  }
  assert.equal(document.gateway.url, serving.url)
  assert.deepEqual(
    document.backends.map(({ name, state, tools }) => [name, state, tools]),
    [
      ['modern', 'healthy', 4],
      ['old', 'healthy', 4],
      ['piped', 'healthy', 4],
      ['dead', 'unreachable', null],
      ['broken', 'unreachable', null],
    ],
  )

  serving.kill('SIGTERM')
  await serving.exit
  const gone = await toolgate(where, 'status')
  assert.equal(gone.code, 1)
  assert.match(gone.stderr, /no gateway at/)
})

test('a gateway whose admin address is taken serves, is found by the commands, and says what it lacks', async (t) => {
  const first = await modernServer(t)
  const neighbour = createServer().listen(0, '127.0.0.1')
  await once(neighbour, 'listening')
  t.after(() => neighbour.close())
  const { port } = neighbour.address() as AddressInfo
  const where = await site(t, { admin: { listen: `127.0.0.1:${port}` }, backends: { first } })
  await using serving = await gatewayProcess(where)
  await serving.stderr.until((line) => /EADDRINUSE.*no admin listener.*set another admin\.listen/.test(line))
  assert.match((await toolgate(where, 'tools')).stdout, /^first_echo/m)
  const { code, stderr } = await toolgate(where, 'status')
  assert.equal(code, 1)
  assert.ok(stderr.includes(`the gateway at ${serving.url} has no admin listener`), stderr)
  serving.kill('SIGTERM')
  assert.equal((await serving.exit).code, 0)
  assert.match((await toolgate(where, 'status')).stderr, /no gateway at/)
})
