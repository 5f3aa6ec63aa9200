// The experimental tasks of 2025-11-25 and the tasks extension, in every cell that has tasks.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  CallToolResultSchema,
  ElicitRequestSchema,
  TaskStatusNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { type Received, type Reply, response } from './hostile/support/backend.ts'
import { ask, declaring, handwritten, paramsOf, seenBy } from './language/handwritten.ts'
import { type House, gateway } from './language/house.ts'
import { createJournal, eventually } from './language/journal.ts'
import type { RawAnswer } from './language/raw.ts'
import type { Scope } from './language/scope.ts'
import type { Arguments } from './language/stage.ts'
import { rawSubscription } from './language/subscription.ts'
import { type TaskServer, taskServer } from './language/task-server.ts'

const TASKS = 'io.modelcontextprotocol/tasks'
const RELATED = 'io.modelcontextprotocol/related-task'
const ELICITS = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, extensions: { [TASKS]: {} } },
}

interface Desk {
  readonly server: TaskServer
  readonly house: House
}

async function desk(scope: Scope): Promise<Desk> {
  const server = await taskServer(scope)
  const house = await gateway({ backends: { old: server } })
  scope.after(async () => house.close())
  return { server, house }
}

/** A client of the first SDK, which knows these tasks. */
async function v1Client(scope: Scope, { url }: House, answers?: () => object): Promise<Client> {
  const client = new Client(
    { name: 'v1', version: '1' },
    { capabilities: answers === undefined ? {} : { elicitation: {} } },
  )
  if (answers !== undefined)
    client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
      assert.ok(params._meta?.[RELATED], 'the client is told which task asks')
      return { action: 'accept', content: { name: params.message }, ...answers() }
    })
  await client.connect(new StreamableHTTPClientTransport(new URL(url)))
  scope.after(async () => client.close())
  return client
}

const resultOf = ({ response }: RawAnswer): Arguments => {
  assert.equal(response.error, undefined, JSON.stringify(response.error))
  return response.result ?? {}
}

const call = async (house: House, name: string, meta: Arguments = declaring(TASKS)): Promise<Arguments> =>
  resultOf(await ask(house, 'tools/call', { name: `old_${name}`, arguments: {}, _meta: meta }))

const look = async (house: House, taskId: unknown, meta = declaring(TASKS)): Promise<Arguments> =>
  resultOf(await ask(house, 'tasks/get', { taskId, _meta: meta }))

/** Looks at a task until it has that status. */
async function until(house: House, taskId: unknown, status: string, meta?: Arguments): Promise<Arguments> {
  let last: Arguments = {}
  await eventually(`the task is ${status}`, async () => {
    last = await look(house, taskId, meta)
    return last['status'] === status
  })
  return last
}

const textIn = (result: unknown): unknown =>
  (result as { content: readonly { text: string }[] }).content[0]?.text

describe('a modern client and a legacy server with tasks', () => {
  test('the extension is announced, and a tool that has to be a task becomes one', async (t) => {
    const { server, house } = await desk(t)
    const discovered = resultOf(await ask(house, 'server/discover', {}))
    assert.deepEqual((discovered['capabilities'] as Arguments)['extensions'], { [TASKS]: {} })
    const created = await call(house, 'work')
    assert.equal(created['resultType'], 'task')
    assert.equal(created['status'], 'working')
    assert.deepEqual([created['ttlMs'], created['pollIntervalMs']], [null, 20])
    for (const legacy of ['task', 'ttl', 'pollInterval']) assert.equal(Object.hasOwn(created, legacy), false)
    const [own] = server.made.entries
    assert.ok(!String(created['taskId']).includes(String(own)), 'the id is sealed')
    const sent = server.journal.entries.find(({ method }) => method === 'tools/call')
    assert.deepEqual(sent?.params['task'], {})
    const working = await look(house, created['taskId'])
    assert.deepEqual([working['status'], working['taskId']], ['working', created['taskId']])
    server.release()
    const done = await until(house, created['taskId'], 'completed')
    assert.deepEqual(done['result'], { content: [{ type: 'text', text: 'worked' }] })
    assert.equal(done['resultType'], 'complete')
    assert.deepEqual(await look(house, created['taskId']), done, 'and stays so')
    assert.equal(
      server.journal.count(({ method }) => method === 'tasks/result'),
      1,
    )
  })

  test('a tool that failed is a completed task with an error in its result', async (t) => {
    const { house } = await desk(t)
    const { taskId } = await call(house, 'break')
    const done = await until(house, taskId, 'completed')
    assert.deepEqual(done['result'], { content: [{ type: 'text', text: 'broken' }], isError: true })
  })

  test('questions of a task are input requests, answered by tasks/update', async (t) => {
    const { server, house } = await desk(t)
    const { taskId } = await call(house, 'ask', ELICITS)
    const asking = await until(house, taskId, 'input_required', ELICITS)
    const requests = asking['inputRequests'] as Readonly<
      Record<string, { method: string; params: Arguments }>
    >
    const [key = ''] = Object.keys(requests)
    assert.deepEqual(
      [requests[key]?.method, requests[key]?.params['message']],
      ['elicitation/create', '[old] who?'],
    )
    assert.equal(requests[key]?.params['_meta'], undefined, 'the id of the server stays inside')
    assert.deepEqual(await look(house, taskId, ELICITS), asking, 'the same question under the same key')
    const inputResponses = { other: {}, [key]: { action: 'accept', content: { name: 'ann' } } }
    const update = { taskId, inputResponses, _meta: ELICITS }
    assert.deepEqual(resultOf(await ask(house, 'tasks/update', update))['resultType'], 'complete')
    const done = await until(house, taskId, 'completed', ELICITS)
    assert.match(String(textIn(done['result'])), /"action":"accept","content":\{"name":"ann"\}/)
    resultOf(await ask(house, 'tasks/update', update))
    assert.equal(server.made.entries.length, 1)
  })

  test('a task is cancelled, and only by whoever has its id', async (t) => {
    const { server, house } = await desk(t)
    const { taskId } = await call(house, 'work')
    assert.equal(
      resultOf(await ask(house, 'tasks/cancel', { taskId, _meta: declaring(TASKS) }))['resultType'],
      'complete',
    )
    await until(house, taskId, 'cancelled')
    const own = server.made.entries[0]
    for (const id of [own, `${String(taskId)}x`]) {
      const { response } = await ask(house, 'tasks/get', { taskId: id, _meta: declaring(TASKS) })
      assert.equal(response.error?.code, -32602)
    }
    const again = await ask(house, 'tasks/cancel', { taskId, _meta: declaring(TASKS) })
    assert.equal(again.response.error?.code, -32602, 'what the server says is passed on')
  })

  test('the status of a task is told to whoever follows it, with its result', async (t) => {
    const { server, house } = await desk(t)
    const { taskId } = await call(house, 'work')
    const { messages } = await rawSubscription(t, house, {
      filter: { taskIds: [taskId] },
      meta: declaring(TASKS),
    })
    const acknowledged = await messages.until(
      ({ method }) => method === 'notifications/subscriptions/acknowledged',
    )
    assert.deepEqual(acknowledged.params?.['notifications'], { taskIds: [taskId] })
    await eventually('the session of the task is followed', async () => {
      await server.nudge()
      return messages.entries.length > 1
    })
    server.release()
    const told = await messages.until(({ params }) => params?.['status'] === 'completed')
    assert.equal(told.method, 'notifications/tasks')
    assert.equal(told.params?.['taskId'], taskId)
    assert.equal(textIn(told.params?.['result']), 'worked')
  })

  test('for a client without the extension the gateway waits for the task', async (t) => {
    const { server, house } = await desk(t)
    const waiting = call(house, 'work', declaring())
    await server.made.until(() => true)
    server.release()
    const done = await waiting
    assert.deepEqual([done['resultType'], textIn(done)], ['complete', 'worked'])
    assert.equal((done['_meta'] as Arguments)[RELATED], undefined)
    const left = new AbortController()
    const gone = house.raw
      .modern(
        'tools/call',
        {
          name: 'old_ask',
          arguments: {},
          _meta: { ...ELICITS, 'io.modelcontextprotocol/clientCapabilities': {} },
        },
        { signal: left.signal },
      )
      .catch(() => undefined)
    await server.made.until((id) => id !== server.made.entries[0])
    left.abort()
    await gone
    await server.journal.until(({ method }) => method === 'tasks/cancel')
  })

  test('and puts its questions as those of the call', async (t) => {
    const { house } = await desk(t)
    const elicits = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }
    const params = { name: 'old_ask', arguments: {}, _meta: elicits }
    const asked = resultOf(await house.raw.modern('tools/call', params))
    assert.equal(asked['resultType'], 'input_required')
    const [key = ''] = Object.keys(asked['inputRequests'] as object)
    const inputResponses = { [key]: { action: 'accept', content: { name: 'bea' } } }
    const retry = { ...params, inputResponses, requestState: asked['requestState'] }
    assert.match(String(textIn(resultOf(await house.raw.modern('tools/call', retry)))), /"name":"bea"/)
  })

  test('a session that the server forgot is opened again, and the task is unknown there', async (t) => {
    const { server, house } = await desk(t)
    const { taskId } = await call(house, 'work')
    await server.forgetSessions()
    const { response } = await ask(house, 'tasks/get', { taskId, _meta: declaring(TASKS) })
    assert.equal(response.error?.code, -32602, JSON.stringify(response))
  })
})

describe('a legacy client and a legacy server with tasks', () => {
  test('tasks pass through under sealed ids, with their questions', async (t) => {
    const { server, house } = await desk(t)
    const client = await v1Client(t, house, () => ({}))
    assert.deepEqual(client.getServerCapabilities()?.tasks, { cancel: {}, requests: { tools: { call: {} } } })
    const { tools } = await client.listTools()
    assert.deepEqual(
      tools.map(({ name, execution }) => [name, execution?.taskSupport]),
      [
        ['old_work', 'required'],
        ['old_ask', 'required'],
        ['old_break', 'required'],
        ['old_plain', 'forbidden'],
      ],
    )
    const seen: string[] = []
    let result: unknown
    const stream = client.experimental.tasks.callToolStream(
      { name: 'old_ask', arguments: {} },
      CallToolResultSchema,
      {
        task: { ttl: 60_000 },
      },
    )
    for await (const message of stream) {
      seen.push(message.type)
      if (message.type === 'error') assert.fail(String(message.error))
      if (message.type === 'taskCreated') {
        assert.equal(message.task.ttl, 60_000)
        assert.notEqual(message.task.taskId, server.made.entries[0])
      }
      if (message.type === 'result') result = message.result
    }
    assert.equal(seen[0], 'taskCreated')
    assert.match(String(textIn(result)), /"name":"\[old\] who\?"/)
    const related = (result as { _meta: Readonly<Record<string, { taskId: string }>> })._meta[RELATED]
    assert.notEqual(related?.taskId, server.made.entries[0])
  })

  test('a failed tool is a failed task, a cancelled one stays cancelled, and there is no list', async (t) => {
    const { server, house } = await desk(t)
    const client = await v1Client(t, house)
    const { tasks } = client.experimental
    const create = async (name: string): Promise<string> => {
      const params = { name, arguments: {}, task: { ttl: 60_000 } }
      const made = (await client.request({ method: 'tools/call', params }, anyResult)) as {
        task: { taskId: string }
      }
      return made.task.taskId
    }
    const broken = await create('old_break')
    await eventually('the task has failed', async () => (await tasks.getTask(broken)).status === 'failed')
    const result = await tasks.getTaskResult(broken, CallToolResultSchema)
    assert.deepEqual([textIn(result), result.isError], ['broken', true])
    const working = await create('old_work')
    assert.equal((await tasks.cancelTask(working)).status, 'cancelled')
    server.release()
    assert.equal((await tasks.getTask(working)).status, 'cancelled')
    await assert.rejects(tasks.cancelTask(working), { code: -32602 })
    await assert.rejects(tasks.getTaskResult(working, CallToolResultSchema), { code: -32603 })
    await assert.rejects(client.request({ method: 'tasks/list' }, anyResult), { code: -32601 })
    await assert.rejects(tasks.getTask(String(server.made.entries[0])), { code: -32602 })
  })

  test('a client that makes no task of a tool that has to be one gets its result', async (t) => {
    const { server, house } = await desk(t)
    server.release()
    const client = await house.client('legacy')
    assert.equal((await client.call('old_work')).text, 'worked')
  })

  test('the status of a task is told on the stream of its session', async (t) => {
    const { server, house } = await desk(t)
    const client = await v1Client(t, house)
    const told = createJournal<Arguments>('the statuses that were told')
    client.setNotificationHandler(TaskStatusNotificationSchema, ({ params }) => told.record(params))
    const params = { name: 'old_work', arguments: {}, task: {} }
    const made = (await client.request({ method: 'tools/call', params }, anyResult)) as {
      task: { taskId: string }
    }
    await eventually('its status is followed', async () => {
      await server.nudge()
      return told.entries.length > 0
    })
    server.release()
    const { taskId, status } = await told.until((one) => one['status'] === 'completed')
    assert.deepEqual([taskId, status], [made.task.taskId, 'completed'])
  })
})

const anyResult = CallToolResultSchema.loose().partial()

describe('a legacy client and a modern server with the extension', () => {
  const task = { status: 'working', createdAt: 'c', lastUpdatedAt: 'l', ttlMs: 5000, pollIntervalMs: 20 }
  const QUESTION = {
    method: 'elicitation/create',
    params: { mode: 'form', message: 'who?', requestedSchema: { type: 'object', properties: {} } },
  }

  async function modernDesk(scope: Scope, statuses: object[]) {
    const left = [...statuses]
    const updated: Arguments[] = []
    const server = await handwritten(
      scope,
      { [TASKS]: {} },
      {
        'tools/list': () => ({ tools: [{ name: 'work', inputSchema: { type: 'object' } }] }),
        'tools/call': ({ arguments: args }) =>
          (args as Arguments)['fast'] === true
            ? { content: [{ type: 'text', text: 'at once' }] }
            : { ...task, resultType: 'task', taskId: 'own/1', _meta: { hint: 1 } },
        // A failed task has a member that the results of these servers must not have: written by hand.
        'tasks/get': () => (received: Received, reply: Reply) => {
          const now = { ...task, taskId: 'own/1', ...(left.length > 1 ? left.shift() : left[0]) }
          reply.json(response(received.id, `"result":${JSON.stringify({ resultType: 'complete', ...now })}`))
        },
        'tasks/update': (params) => {
          updated.push(params)
          return {}
        },
        'tasks/cancel': () => ({}),
      },
    )
    const house = await gateway({ backends: { new: server } })
    scope.after(async () => house.close())
    return { server, house, updated }
  }
  const create = async (client: Client, args: Arguments = {}) => {
    const params = { name: 'new_work', arguments: args, task: { ttl: 1000 } }
    return (await client.request({ method: 'tools/call', params }, anyResult)) as {
      task: { taskId: string; status: string; ttl: number | null; pollInterval?: number }
      _meta?: Arguments
    }
  }

  test('a call that is to be a task becomes one where the server likes, and its result is waited for', async (t) => {
    const result = { content: [{ type: 'text', text: 'done' }], structuredContent: 5 }
    const { server, house } = await modernDesk(t, [{}, {}, { status: 'completed', result }])
    const client = await v1Client(t, house)
    const { tools } = await client.listTools()
    assert.equal(tools[0]?.execution?.taskSupport, 'optional')
    const created = await create(client)
    assert.deepEqual(
      [created.task.status, created.task.ttl, created.task.pollInterval],
      ['working', 5000, 20],
    )
    assert.deepEqual(created._meta?.['hint'], 1)
    const [sent] = seenBy(server, 'tools/call')
    assert.ok(sent)
    const { task: wish, _meta: meta } = paramsOf(sent)
    assert.equal(wish, undefined, 'the wish is said by the extension')
    const capabilities = (meta as Readonly<Record<string, Arguments>>)[
      'io.modelcontextprotocol/clientCapabilities'
    ]
    assert.deepEqual(capabilities?.['extensions'], { [TASKS]: {} })
    const got = await client.experimental.tasks.getTaskResult(created.task.taskId, CallToolResultSchema)
    assert.deepEqual(
      [textIn(got), got.structuredContent],
      ['done', { result: 5 }],
      'in the shape of the client',
    )
    assert.deepEqual(got._meta?.[RELATED], { taskId: created.task.taskId })
  })

  test('what the server does at once is a task that has ended', async (t) => {
    const { house, server } = await modernDesk(t, [{}])
    const client = await v1Client(t, house)
    const { task: made } = await create(client, { fast: true })
    assert.deepEqual([made.status, made.ttl], ['completed', 1000])
    assert.equal((await client.experimental.tasks.getTask(made.taskId)).status, 'completed')
    const got = await client.experimental.tasks.getTaskResult(made.taskId, CallToolResultSchema)
    assert.equal(textIn(got), 'at once')
    await assert.rejects(client.experimental.tasks.cancelTask(made.taskId), { code: -32602 })
    assert.equal(seenBy(server, 'tasks/get').length, 0)
  })

  test('input requests of a task are questions to the client', async (t) => {
    const result = { content: [{ type: 'text', text: 'thanks' }] }
    const asking = { status: 'input_required', inputRequests: { k: QUESTION } }
    const { house, updated } = await modernDesk(t, [{}, asking, { status: 'completed', result }])
    const client = await v1Client(t, house, () => ({}))
    const { task: made } = await create(client)
    const got = await client.experimental.tasks.getTaskResult(made.taskId, CallToolResultSchema)
    assert.equal(textIn(got), 'thanks')
    assert.deepEqual(updated[0]?.['inputResponses'], {
      k: { action: 'accept', content: { name: '[new] who?' } },
    })
  })

  test('errors and cancellation are those of the legacy era', async (t) => {
    const failed = { status: 'failed', error: { code: -32021, message: 'not so', data: {} } }
    const { house } = await modernDesk(t, [{}, failed])
    const client = await v1Client(t, house)
    const one = (await create(client)).task.taskId
    await assert.rejects(client.experimental.tasks.getTaskResult('nobody', CallToolResultSchema), {
      code: -32602,
    })
    // It goes on working for a while, as a modern server may; its client is told what it decided.
    assert.equal((await client.experimental.tasks.cancelTask(one)).status, 'cancelled')
    assert.equal((await client.experimental.tasks.getTask(one)).status, 'cancelled')
    const two = (await create(client)).task.taskId
    const got = await client.experimental.tasks.getTaskResult(two, CallToolResultSchema)
    assert.deepEqual([textIn(got), got.isError], ['not so', true])
  })
})
