import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { callOf, collect, notificationOf, request, result, rpcError } from '../../test/support/scripted.ts'
import type { Call, Permitted, Reply } from '../pipeline/call.ts'
import { mintPermit } from '../pipeline/permit.ts'
import type { OneTarget } from '../pipeline/target.ts'
import { createSealer, randomKey } from '../seal/seal.ts'
import { expose, exposeTaskStatus } from './expose.ts'
import { createTaskIds } from './tasks.ts'
import { type UriSpace, createUriSpace } from './uris.ts'

const taskIds = createTaskIds(createSealer(randomKey()))

/** Both list `x:1` and refer to `ui://v`; `c` lists nothing. */
const uris = createUriSpace({
  backends: ['a', 'b', 'c'],
  uris: ['a', 'b'].flatMap((backend) => ['x:1', 'ui://v'].map((uri) => ({ backend, uri }))),
  templates: [],
})

/** Must not be looked at where nothing has to change. */
const untouchable: UriSpace = {
  ...uris,
  rewrites: () => false,
  expose: () => assert.fail('nothing is to be rewritten'),
}

interface Answered {
  readonly call: Call
  readonly backend: string
  readonly name?: string
  readonly reply: Reply
  readonly space?: UriSpace
}

function exposed({ call, backend, name, reply, space = uris }: Answered): Promise<Reply> {
  const target: OneTarget = { kind: 'one', backend, name, paramHeaders: [] }
  const permitted: Permitted = { ...call, target, permit: mintPermit(target) }
  return expose({ catalog: { uris: () => space }, taskIds })(() => Promise.resolve(reply))(
    permitted,
    collect(),
  )
}

const toolCall = callOf(request('tools/call', { name: 'b_t' }))
const ODD = String.raw`"odd":[1.0e5,-0,"\u00e9\/",{"type":"resource_link","uri":"x:1"}]`

/** A result with every place that a URI can stand at. */
const everywhere = (uri: string, ui: string): string =>
  `{"resultType":"complete",${ODD},"content":[{"type":"text","text":"x:1"},{"uri":"x:1","type":"other"},` +
  `{"type":"resource_link","uri":"${uri}","name":"n"},{"type":"resource","resource":{"uri":"${uri}","text":"x:1"}}],` +
  `"structuredContent":{"uri":"x:1"},"_meta":{"ui":{"resourceUri":"${ui}"},"ui/resourceUri":"${ui}"}}`

describe('URIs in a reply', () => {
  test('of a tool are qualified everywhere, and no other byte changes', async () => {
    const reply = await exposed({ call: toolCall, backend: 'b', reply: result(everywhere('x:1', 'ui://v')) })
    assert.equal(reply.text, result(everywhere('x+b:1', 'ui://b/v')).text)
  })

  test('of a prompt are qualified in one block of content or several', async () => {
    const messages = (uri: string): string =>
      `{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"${uri}"}}},` +
      `{"role":"user","content":[{"type":"resource_link","uri":"${uri}"}]},{"content":7}]}`
    const call = callOf(request('prompts/get', { name: 'b_p' }))
    const reply = await exposed({ call, backend: 'b', reply: result(messages('x:1')) })
    assert.equal(reply.text, result(messages('x+b:1')).text)
  })

  test('of a resource are those that were asked for', async () => {
    const contents = (...all: string[]): string =>
      JSON.stringify({ contents: all.map((uri) => ({ uri, text: '' })) })
    const read = (uri: string, name: string, backend: string): Promise<Reply> =>
      exposed({
        call: callOf(request('resources/read', { uri })),
        backend,
        name,
        reply: result(contents(name, 'x:1', 'x:2')),
      })
    assert.equal((await read('x+b:3', 'x:3', 'b')).text, result(contents('x+b:3', 'x+b:1', 'x:2')).text)
    // A form that was given out earlier, when nothing collides any more.
    assert.equal((await read('x+c:3', 'x:3', 'c')).text, result(contents('x+c:3', 'x:1', 'x:2')).text)
  })

  test('are qualified where an error names them', async () => {
    const call = callOf(request('resources/read', { uri: 'x+b:1' }))
    const of = (uri: string): Reply => rpcError(-32602, 'not found', { data: { uri, n: 1 } })
    assert.equal(
      (await exposed({ call, backend: 'b', name: 'x:1', reply: of('x:1') })).text,
      of('x+b:1').text,
    )
  })

  test('stay, and nobody looks, where the backend shares none and where it has a route of its own', async () => {
    const reply = result(everywhere('x:1', 'ui://v'))
    assert.equal(await exposed({ call: toolCall, backend: 'c', reply, space: untouchable }), reply)
    assert.equal(await exposed({ call: toolCall, backend: 'a', reply }), reply)
    const route = { kind: 'backend', backend: 'b' } as const
    assert.equal(await exposed({ call: { ...toolCall, route }, backend: 'b', reply }), reply)
    const read = callOf(request('resources/read', { uri: 'x:9' }))
    assert.equal(await exposed({ call: read, backend: 'c', name: 'x:9', reply, space: untouchable }), reply)
  })
})

describe('a question to the user', () => {
  const asking = (label: string): string =>
    `{"resultType":"input_required",${ODD},"requestState":"s","inputRequests":{` +
    `"1":{"params":{"message":"${label}Your \\u0022name\\u0022?","requestedSchema":{"message":"m"}},"method":"elicitation/create"},` +
    `"2":{"method":"elicitation/create","params":{"mode":"url","url":"https://a","message":"${label}"}},` +
    '"3":{"method":"sampling/createMessage","params":{"message":"m","systemPrompt":"p"}},' +
    '"4":{"method":"elicitation/create","params":{"message":7}},"5":{"method":"elicitation/create"},"6":[]}}'

  test('says on the aggregate which backend asks, and no other byte changes', async () => {
    const reply = result(asking('[b] Ask of [a]: '))
    const labelled = await exposed({ call: toolCall, backend: 'b', reply: result(asking('Ask of [a]: ')) })
    assert.equal(labelled.text, reply.text)
    const nothing = await exposed({ call: toolCall, backend: 'c', reply: result('{"inputRequests":7}') })
    assert.equal(nothing.text, result('{"inputRequests":7}').text)
  })

  test('of a task says it too, whoever asks for its status', async () => {
    const call = callOf(request('tasks/get', { taskId: 'sealed' }))
    const task = (label: string): string =>
      `{"status":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"${label}?"}}}}`
    const reply = await exposed({ call, backend: 'c', reply: result(task('')) })
    assert.equal(reply.text, result(task('[c] ')).text)
    const told = (label: string): ReturnType<typeof notificationOf> =>
      notificationOf(`{"jsonrpc":"2.0","method":"notifications/tasks","params":${task(label)}}`)
    const shown = exposeTaskStatus(uris, call, {
      task: { backend: 'c', taskId: 'sealed' },
      notification: told(''),
    })
    assert.equal(shown.text, told('[c] ').text)
  })

  test('is left to the byte on the route of one backend', async () => {
    const call = callOf(request('tools/call', { name: 't' }), { route: { kind: 'backend', backend: 'b' } })
    const reply = result(asking(''))
    assert.equal((await exposed({ call, backend: 'b', reply })).text, reply.text)
  })
})

describe('a task', () => {
  test('gets an id that leads back to it, on any route', async () => {
    for (const route of [{ kind: 'aggregate' }, { kind: 'backend', backend: 'c' }] as const) {
      const call = { ...toolCall, route }
      const created = result(`{"resultType":"task",${ODD},"taskId":"t","status":"working"}`)
      const reply = await exposed({ call, backend: 'c', name: 'own', reply: created })
      const id = /"taskId":"([\w-]+)"/.exec(reply.text)?.[1] ?? ''
      assert.equal(reply.text, created.text.replace('"taskId":"t"', `"taskId":"${id}"`))
      assert.deepEqual(taskIds.open(id, call), { backend: 'c', taskId: 't', tool: 'own' })
    }
  })

  test('without a usable id is the fault of the backend', async () => {
    for (const members of ['', ',"taskId":7', `,"taskId":"${'t'.repeat(1025)}"`])
      await assert.rejects(
        exposed({ call: toolCall, backend: 'c', reply: result(`{"resultType":"task"${members}}`) }),
        { code: 'BACKEND_PROTOCOL' },
      )
  })

  test('keeps the id that the client has, and holds a result like any other', async () => {
    const call = callOf(request('tasks/get', { taskId: 'sealed' }))
    const detailed = (type: string, id: string, uri: string, ui: string): Reply =>
      result(`{"resultType":"${type}","taskId":"${id}","status":"completed","result":${everywhere(uri, ui)}}`)
    const reply = await exposed({
      call,
      backend: 'b',
      name: 't',
      reply: detailed('task', 't', 'x:1', 'ui://v'),
    })
    assert.equal(reply.text, detailed('complete', 'sealed', 'x+b:1', 'ui://b/v').text)
  })

  test('is only what says to be one', async () => {
    const reply = result('{"resultType":"complete","taskId":"t"}')
    assert.equal(await exposed({ call: toolCall, backend: 'c', reply }), reply)
    const read = callOf(request('prompts/get', { name: 'x' }))
    const task = result('{"resultType":"task","taskId":"t"}')
    assert.equal(await exposed({ call: read, backend: 'c', reply: task }), task)
  })
})

test('the status of a task has the id of the client, and in its result the URIs that its tasks/get would have', () => {
  const status = (taskId: string, result: string): string =>
    `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"${taskId}","ttlMs":-0,"result":${result}}}`
  const told = {
    task: { backend: 'b', taskId: 'sealed' },
    notification: notificationOf(status('t', everywhere('x:1', 'ui://v'))),
  }
  const aggregate = exposeTaskStatus(uris, { route: { kind: 'aggregate' } }, told)
  assert.equal(aggregate.text, status('sealed', everywhere('x+b:1', 'ui://b/v')))
  const same = status('sealed', everywhere('x:1', 'ui://v'))
  const alone = exposeTaskStatus(uris, { route: { kind: 'backend', backend: 'b' } }, told)
  assert.equal(alone.text, same)
  assert.equal(exposeTaskStatus(untouchable, { route: { kind: 'aggregate' } }, told).text, same)
})
