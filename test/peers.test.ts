// Every official client in front, every kind of server behind: one gateway, all of them at once.
import assert from 'node:assert/strict'
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, suite, test } from 'node:test'
import { GENERATIONS, type TestClient } from './language/client.ts'
import { type House, gateway } from './language/house.ts'
import { legacyServer, modernServer, v1Server } from './language/http-backend.ts'
import { everything, everythingOverHttp, filesystem, memory } from './language/official.ts'
import { type Configured, fileScope } from './language/scope.ts'
import { stdioServer } from './language/stdio-backend.ts'

/** Clean-up of the whole file. */
const scope = fileScope()

/** One kind of server, with what it is known to answer. */
interface Peer {
  readonly name: string
  readonly era: 'modern' | 'legacy'
  readonly tool: string
  readonly args: Readonly<Record<string, unknown>>
  readonly answer: RegExp
  /** A call that ends with `isError`. */
  readonly failing: { readonly tool: string; readonly args: Readonly<Record<string, unknown>> }
}

const scripted = (name: string, era: Peer['era'], label: string): Peer => ({
  name,
  era,
  tool: 'echo',
  args: { says: 'hé', to: [1.5, null] },
  answer: new RegExp(`^${label}: \\{"says":"hé","to":\\[1\\.5,null\\]\\}$`),
  failing: { tool: 'fail', args: {} },
})

const everythingPeer = (name: string): Peer => ({
  name,
  era: 'legacy',
  tool: 'get-sum',
  args: { a: 2, b: 40 },
  answer: /42/,
  failing: { tool: 'get-sum', args: { a: 'two', b: 40 } },
})

const PEERS: readonly Peer[] = [
  scripted('modern', 'modern', 'modern'),
  scripted('legacy', 'legacy', 'legacy'),
  scripted('first', 'legacy', 'v1'),
  scripted('pipe-modern', 'modern', 'stdio-modern'),
  scripted('pipe-legacy', 'legacy', 'stdio-legacy'),
  scripted('pipe-first', 'legacy', 'stdio-v1'),
  everythingPeer('everything'),
  everythingPeer('everything-http'),
  {
    name: 'files',
    era: 'legacy',
    tool: 'read_text_file',
    args: { path: 'FOLDER/hello.txt' },
    answer: /^hello from a file$/,
    failing: { tool: 'read_text_file', args: { path: '/etc/passwd' } },
  },
  {
    name: 'memory',
    era: 'legacy',
    tool: 'read_graph',
    args: {},
    answer: /entities/,
    failing: {
      tool: 'add_observations',
      args: { observations: [{ entityName: 'nobody', contents: ['x'] }] },
    },
  },
]

let folder: string
let house: House

before(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'toolgate-peers-')))
  scope.after(async () => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'hello.txt'), 'hello from a file')
  const backends: Record<string, Configured> = {
    modern: await modernServer(scope),
    legacy: await legacyServer(scope),
    first: await v1Server(scope),
    'pipe-modern': await stdioServer(scope, 'modern'),
    'pipe-legacy': await stdioServer(scope, 'legacy'),
    'pipe-first': await stdioServer(scope, 'v1'),
    everything,
    'everything-http': await everythingOverHttp(scope),
    files: filesystem(folder),
    memory: memory(join(folder, 'memory.jsonl')),
  }
  assert.deepEqual(
    Object.keys(backends),
    PEERS.map(({ name }) => name),
  )
  house = await gateway({ backends })
  scope.after(async () => house.close())
})

/** The arguments with the folder of this run in them. */
const located = (args: Peer['args']): Peer['args'] =>
  JSON.parse(JSON.stringify(args).replace('FOLDER', folder)) as Peer['args']

test('every server is up, in the era that it speaks', () => {
  const found = house.gateway.report().map(({ name, condition, identity, transport }) => ({
    name,
    state: condition.state,
    era: identity?.era,
    transport,
  }))
  assert.deepEqual(
    found,
    PEERS.map(({ name, era }) => ({
      name,
      state: 'up',
      era,
      transport: /^pipe-|^everything$|^files$|^memory$/.test(name) ? 'stdio' : 'http',
    })),
  )
})

for (const generation of GENERATIONS) {
  suite(`a client of the generation ${generation}`, () => {
    const era = generation === 'modern' || generation === 'auto' ? 'modern' : 'legacy'
    let all: TestClient
    before(async () => {
      all = await house.client(generation)
    })

    test(`speaks ${era} with the gateway, whatever stands behind it`, () => {
      assert.equal(all.era, era)
      assert.equal(all.server?.name, 'toolgate')
    })

    test('sees the tools of every server in one list', async () => {
      const names = (await all.tools()).map(({ name }) => name)
      for (const { name, tool } of PEERS) assert.ok(names.includes(`${name}_${tool}`), `${name}_${tool}`)
      assert.equal(new Set(names).size, names.length)
    })

    for (const peer of PEERS) {
      test(`uses ${peer.name}: lists, calls, and gets its tool errors`, async () => {
        await using one = await house.client(generation, { route: peer.name })
        const own = (await one.tools()).map(({ name }) => name)
        assert.ok(own.includes(peer.tool))
        const merged = (await all.tools()).map(({ name }) => name)
        const prefix = `${peer.name}_`
        for (const name of own) assert.ok(merged.includes(prefix + name), prefix + name)

        for (const [client, before] of [
          [all, prefix],
          [one, ''],
        ] as const) {
          const fine = await client.call(`${before}${peer.tool}`, located(peer.args))
          assert.equal(fine.isError, false)
          assert.match(fine.text, peer.answer)
          const failed = await client.call(`${before}${peer.failing.tool}`, peer.failing.args)
          assert.equal(failed.isError, true, failed.text)
          assert.notEqual(failed.text, '')
        }
      })
    }

    test('is told what exists when it calls what does not', async () => {
      await assert.rejects(all.call('modern_ecko'), (error: Error & { code?: number }) => {
        assert.equal(error.code, -32602)
        assert.match(error.message, /Unknown tool: modern_ecko\. Close to it: modern_echo/)
        return true
      })
      await using one = await house.client(generation, { route: 'legacy' })
      await assert.rejects(one.call('nothing-like-it'), /There is: echo, fail, progress, wait\./)
    })
  })
}

test('a route to a backend that is not configured says which are', async () => {
  const { status, response } = await house.raw.modern('tools/list', {}, { route: 'modem' })
  assert.equal(status, 404)
  assert.match(response.error?.message ?? '', /^Unknown backend: modem\. There is modern, legacy, first,/)
})

for (const generation of GENERATIONS) {
  test(`progress of official servers reaches a ${generation} client`, async () => {
    await using client = await house.client(generation)
    for (const name of ['everything', 'everything-http']) {
      const steps: number[] = []
      await client.call(
        `${name}_trigger-long-running-operation`,
        { duration: 0.05, steps: 3 },
        { onProgress: ({ progress }) => void steps.push(progress) },
      )
      assert.deepEqual(steps, [1, 2, 3], name)
    }
  })
}
