// The aggregate beyond tools: prompts, resources, templates, completion, Apps and extensions.
import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { type FixtureEra, serveHttp } from './conformance/fixture/http.ts'
import { createFixtureServer } from './conformance/fixture/server.ts'
import type { RawBackend } from './hostile/support/backend.ts'
import { ask, declaring, handwritten, seenBy } from './language/handwritten.ts'
import { type House, gateway } from './language/house.ts'
import { type Configured, type Scope, fileScope } from './language/scope.ts'
import type { Arguments } from './language/stage.ts'

const fixture = async (scope: Scope, era: FixtureEra): Promise<Configured> => {
  const server = await serveHttp({ era, port: 0, createServer: createFixtureServer })
  scope.after(() => server.close())
  return { settings: { url: server.url } }
}

/** What this file needs of a client of either generation. */
type AnyClient = Pick<
  ClientV2,
  | 'listPrompts'
  | 'getPrompt'
  | 'listResources'
  | 'listResourceTemplates'
  | 'readResource'
  | 'complete'
  | 'callTool'
>

const CONNECT = {
  async modern(scope: Scope, url: string): Promise<AnyClient> {
    const client = new ClientV2(
      { name: 'test', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    )
    await client.connect(new HttpV2(new URL(url)))
    scope.after(() => client.close())
    return client
  },
  async v1(scope: Scope, url: string): Promise<AnyClient> {
    const client = new ClientV1({ name: 'test', version: '1' })
    const transport = new HttpV1(new URL(url))
    await client.connect(transport)
    scope.after(() => client.close())
    return client as unknown as AnyClient
  },
}

for (const generation of ['modern', 'v1'] as const) {
  suite(`two alike servers of both eras behind one gateway, seen by a ${generation} client`, () => {
    const scope = fileScope()
    let client: AnyClient

    before(async () => {
      const backends = { new: await fixture(scope, 'modern'), old: await fixture(scope, 'legacy') }
      const house = await gateway({ backends })
      scope.after(() => house.close())
      client = await CONNECT[generation](scope, house.url)
    })

    test('show the prompts of both, each under its name', async () => {
      const { prompts } = await client.listPrompts()
      const names = prompts.map(({ name }) => name)
      for (const backend of ['new', 'old']) assert.ok(names.includes(`${backend}_test_simple_prompt`))
      const args = { arg1: 'x', arg2: 'y' }
      for (const backend of ['new', 'old']) {
        const name = `${backend}_test_prompt_with_arguments`
        const { messages } = await client.getPrompt({ name, arguments: args })
        assert.deepEqual(messages[0]?.content, {
          type: 'text',
          text: "Prompt with arguments: arg1='x', arg2='y'",
        })
      }
    })

    test('show the resources and templates of both, qualified at the second', async () => {
      const { resources } = await client.listResources()
      assert.deepEqual(
        resources.map(({ uri }) => uri),
        ['test:', 'test+old:'].flatMap((scheme) =>
          ['static-text', 'watched-resource', 'static-binary'].map((name) => `${scheme}//${name}`),
        ),
      )
      const { resourceTemplates } = await client.listResourceTemplates()
      assert.deepEqual(
        resourceTemplates.map(({ uriTemplate }) => uriTemplate),
        ['test://template/{id}/data', 'test+old://template/{id}/data'],
      )
    })

    test('answer for their resources under the URI that was asked for', async () => {
      for (const uri of [
        'test://static-text',
        'test+old://static-text',
        'test://template/7/data',
        'test+old://template/7/data',
      ]) {
        const { contents } = await client.readResource({ uri })
        assert.deepEqual(
          contents.map((content) => content.uri),
          [uri],
        )
      }
    })

    test('refer to resources by the URI that leads back to them', async () => {
      for (const [backend, uri] of [
        ['new', 'test://static-text'],
        ['old', 'test+old://static-text'],
      ] as const) {
        const { messages } = await client.getPrompt({
          name: `${backend}_test_prompt_with_embedded_resource`,
          arguments: { resourceUri: 'test://static-text' },
        })
        const [first] = messages
        assert.ok(first?.content.type === 'resource')
        assert.equal(first.content.resource.uri, uri)
      }
    })

    test('complete the arguments of their own prompts', async () => {
      for (const backend of ['new', 'old']) {
        const { completion } = await client.complete({
          ref: { type: 'ref/prompt', name: `${backend}_test_prompt_with_arguments` },
          argument: { name: 'arg1', value: 'par' },
        })
        assert.deepEqual(completion.values, ['paris', 'park', 'party'])
      }
      const unknown = client.complete({
        ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' },
        argument: { name: 'arg1', value: 'par' },
      })
      await assert.rejects(unknown, /Unknown prompt/)
    })

    test('do not know what neither has', async () => {
      await assert.rejects(client.readResource({ uri: 'nobody:has-it' }), /Unknown resource: nobody:has-it/)
    })
  })
}

const APPS = 'io.modelcontextprotocol/ui'
const OWN = 'com.example/own'

suite('resources that nobody lists', () => {
  const scope = fileScope()
  const has =
    (...own: readonly string[]) =>
    ({ uri }: Arguments): object =>
      own.includes(String(uri))
        ? { contents: [{ uri, text: 'here', _meta: { ui: { csp: {} } } }] }
        : { error: { code: -32602, message: 'Resource not found', data: { uri } } }
  const app = (resourceUri: string): object => ({
    name: 'show',
    inputSchema: { type: 'object' },
    _meta: { ui: { resourceUri, visibility: ['app'] }, 'ui/resourceUri': resourceUri },
  })
  let house: House
  let first: RawBackend
  let second: RawBackend

  before(async () => {
    const a = await handwritten(
      scope,
      { [APPS]: { mimeTypes: ['text/html'] } },
      {
        'tools/list': () => ({ tools: [app('ui://view'), { ...app('ui://only'), name: 'only' }] }),
        'resources/read': has('ui://view', 'ui://only'),
      },
    )
    const b = await handwritten(
      scope,
      { [APPS]: { mimeTypes: ['x/y'] }, [OWN]: {} },
      {
        'tools/list': () => ({ tools: [app('ui://view')] }),
        'resources/templates/list': () => ({ resourceTemplates: [{ uriTemplate: 'row:{id}', name: 'row' }] }),
        'resources/read': has('ui://view', 'row:7', 'secret:1'),
        'own/do': ({ n }) => ({ doubled: Number(n) * 2 }),
      },
    )
    first = a
    second = b
    house = await gateway({ backends: { a, b } })
    scope.after(() => house.close())
  })

  const contentsOf = async (uri: string): Promise<unknown> => {
    const { response } = await ask(house, 'resources/read', { uri })
    return response.result?.['contents'] ?? response.error?.code
  }
  const contents = (uri: string): unknown => [{ uri, text: 'here', _meta: { ui: { csp: {} } } }]
  const readsOf = (backend: RawBackend): number => seenBy(backend, 'resources/read').length

  test('but tools refer to are those of the tool, with settings of both sides', async () => {
    const { response } = await ask(house, 'tools/list', {})
    assert.deepEqual(
      response.result?.tools?.map(({ _meta }) => _meta),
      ['ui://view', 'ui://only', 'ui://b/view'].map((uri) => ({
        ui: { resourceUri: uri, visibility: ['app'] },
        'ui/resourceUri': uri,
      })),
    )
    for (const uri of ['ui://view', 'ui://only', 'ui://b/view'])
      assert.deepEqual(await contentsOf(uri), contents(uri))
    const discovered = await ask(house, 'server/discover', {})
    const { capabilities } = discovered.response.result as { capabilities: { extensions: unknown } }
    assert.deepEqual(capabilities.extensions, { [APPS]: { mimeTypes: ['text/html', 'x/y'] } })
  })

  test('but a template matches are asked of its backend alone', async () => {
    const before = readsOf(first)
    assert.deepEqual(await contentsOf('row:7'), contents('row:7'))
    assert.equal(readsOf(first), before)
  })

  test('are asked of one backend after the other', async () => {
    const before = readsOf(first)
    assert.deepEqual(await contentsOf('secret:1'), contents('secret:1'))
    assert.equal(readsOf(first), before + 1)
    assert.deepEqual(await contentsOf('secret:1'), contents('secret:1'))
    assert.equal(readsOf(first), before + 1)
    const { response } = await ask(house, 'resources/read', { uri: 'secret:2' })
    assert.equal(response.error?.code, -32602)
    assert.equal(response.error?.data?.['uri'], 'secret:2')
    assert.equal(readsOf(first), before + 2)
  })

  test('are read at the backend that has them on its own route, without a word about others', async () => {
    const before = readsOf(first)
    const { response } = await ask(house, 'resources/read', { uri: 'secret:1' }, { route: 'b' })
    assert.deepEqual(response.result?.['contents'], contents('secret:1'))
    assert.equal(readsOf(first), before)
  })

  test('have nothing to do with the methods of an extension, which reach the backend that both sides know', async () => {
    const own = { n: 21, _meta: declaring(OWN) }
    const answer = await ask(house, 'own/do', own, { route: 'b' })
    assert.equal(answer.response.result?.['doubled'], 42)
    assert.equal(seenBy(second, 'own/do').length, 1)
    for (const [params, options] of [
      [own, {}],
      [own, { route: 'a' }],
      [{ n: 21 }, { route: 'b' }],
    ] as const) {
      const refused = await ask(house, 'own/do', params, options)
      assert.deepEqual([refused.status, refused.response.error?.code], [404, -32601])
    }
    assert.equal(seenBy(second, 'own/do').length, 1)
    // The ladder stands before every method.
    const lying = await house.raw.modern('own/do', own, {
      route: 'b',
      headers: { 'mcp-method': 'own/other' },
    })
    assert.equal(lying.response.error?.code, -32020)
  })
})
