// The tasks extension through the gateway: sealed ids that lead back to their backend.
import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import type { RawBackend, Received, Reply } from './hostile/support/backend.ts'
import { createJournal } from './language/journal.ts'
import { ask, declaring, handwritten, paramsOf, seenBy } from './language/handwritten.ts'
import { type House, gateway } from './language/house.ts'
import type { RawAnswer } from './language/raw.ts'
import { fileScope } from './language/scope.ts'
import { rawSubscription } from './language/subscription.ts'

const TASKS = 'io.modelcontextprotocol/tasks'
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId'

suite('tasks of a modern backend', () => {
  const scope = fileScope()
  const LINK = { type: 'resource_link', uri: 'x:1', name: 'n' }
  const task = { taskId: 'task/1', status: 'working', createdAt: 'now', lastUpdatedAt: 'now', ttlMs: null }
  const meta = declaring(TASKS)
  let house: House
  let worker: RawBackend
  let taskId: string

  before(async () => {
    const resources = { 'resources/list': () => ({ resources: [{ uri: 'x:1', name: 'one' }] }) }
    const tool = { name: 'work', inputSchema: { type: 'object' } }
    const backend = await handwritten(
      scope,
      { [TASKS]: {} },
      {
        ...resources,
        'tools/list': () => ({ tools: [tool] }),
        'tools/call': () => ({ ...task, resultType: 'task' }),
        'tasks/get': (params) =>
          params['taskId'] === 'task/1'
            ? { ...task, resultType: 'task', status: 'completed', result: { content: [LINK] } }
            : { error: { code: -32602, message: 'no such task' } },
        'tasks/update': () => ({}),
        'tasks/cancel': () => ({}),
      },
    )
    worker = backend
    house = await gateway({ backends: { other: await handwritten(scope, {}, resources), worker: backend } })
    scope.after(() => house.close())
    const created = await ask(house, 'tools/call', { name: 'worker_work', arguments: {}, _meta: meta })
    assert.equal(created.response.result?.['resultType'], 'task')
    taskId = String(created.response.result?.['taskId'])
  })

  test('are announced as the extension to modern clients alone', async () => {
    const extensionsOf = (answer: RawAnswer): unknown => {
      const { capabilities } = answer.response.result as { capabilities: { extensions?: unknown } }
      return capabilities.extensions
    }
    assert.deepEqual(extensionsOf(await ask(house, 'server/discover', {})), { [TASKS]: {} })
    assert.equal(extensionsOf(await ask(house, 'server/discover', {}, { route: 'other' })), undefined)
    const params = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'old', version: '1' },
    }
    const opened = await house.raw.post({ jsonrpc: '2.0', id: 0, method: 'initialize', params })
    assert.equal(extensionsOf(opened), undefined)
  })

  test('have an id that tells nobody anything and leads back, in body and header', async () => {
    assert.ok(!taskId.includes('task') && taskId.length > 40)
    const { response } = await ask(house, 'tasks/get', { taskId, _meta: meta })
    assert.equal(response.result?.['taskId'], taskId)
    assert.equal(response.result?.['resultType'], 'complete')
    const sent = seenBy(worker, 'tasks/get').at(-1)
    assert.ok(sent)
    assert.equal(paramsOf(sent)['taskId'], 'task/1')
    assert.equal(sent.headers['mcp-name'], 'task/1')
  })

  test('hold results whose URIs are those of the aggregate', async () => {
    const read = async (route?: string): Promise<unknown> => {
      const answer = await ask(
        house,
        'tasks/get',
        { taskId, _meta: meta },
        route === undefined ? {} : { route },
      )
      return answer.response.result?.['result']
    }
    assert.deepEqual(await read(), { content: [{ ...LINK, uri: 'x+worker:1' }] })
    assert.deepEqual(await read('worker'), { content: [LINK] })
  })

  test('are updated and cancelled by it', async () => {
    const inputResponses = { name: { action: 'accept' } }
    for (const [method, more] of [
      ['tasks/update', { inputResponses }],
      ['tasks/cancel', {}],
    ] as const) {
      const { response } = await ask(house, method, { taskId, ...more, _meta: meta })
      assert.equal(response.result?.['resultType'], 'complete')
      const [sent] = seenBy(worker, method)
      assert.ok(sent)
      const { _meta, ...params } = paramsOf(sent)
      assert.deepEqual(params, { taskId: 'task/1', ...more })
    }
  })

  test('are not found under any other id, nor at another backend', async () => {
    const before = seenBy(worker, 'tasks/get').length
    for (const other of ['task/1', `${taskId}A`, taskId.slice(1)]) {
      const { response } = await ask(house, 'tasks/get', { taskId: other, _meta: meta })
      assert.equal(response.error?.code, -32602)
    }
    const elsewhere = await ask(house, 'tasks/get', { taskId, _meta: meta }, { route: 'other' })
    assert.equal(elsewhere.response.error?.code, -32602)
    assert.equal(seenBy(worker, 'tasks/get').length, before)
  })

  test('need the extension, and have no list', async () => {
    const undeclared = await ask(house, 'tasks/get', { taskId })
    assert.equal(undeclared.status, 400)
    assert.equal(undeclared.response.error?.code, -32021)
    assert.deepEqual(undeclared.response.error?.data?.['requiredCapabilities'], {
      extensions: { [TASKS]: {} },
    })
    for (const method of ['tasks/list', 'tasks/result']) {
      const answer = await ask(house, method, { taskId, _meta: meta }, { route: 'worker' })
      assert.deepEqual([answer.status, answer.response.error?.code], [404, -32601])
    }
  })
})

test('the status of tasks is told to those who named them, under the id that they have', async (t) => {
  const link = (uri: string): object => ({ content: [{ type: 'resource_link', uri, name: 'n' }] })
  const resources = { 'resources/list': () => ({ resources: [{ uri: 'x:1', name: 'one' }] }) }
  const streams = createJournal<Reply>('the streams of the worker')
  let created = 0
  const worker = await handwritten(
    t,
    { [TASKS]: {} },
    {
      ...resources,
      'tools/list': () => ({ tools: [{ name: 'work', inputSchema: { type: 'object' } }] }),
      'tools/call': () => ({ resultType: 'task', taskId: `t${++created}`, status: 'working', ttlMs: null }),
      'subscriptions/listen':
        ({ notifications }) =>
        ({ id }: Received, reply: Reply) => {
          const params = { _meta: { [SUBSCRIPTION]: Number(id) }, notifications }
          reply.events(notification('notifications/subscriptions/acknowledged', params))
          streams.record(reply)
        },
    },
  )
  const other = await handwritten(t, {}, resources)
  await using house = await gateway({ backends: { other, worker } })
  const meta = declaring(TASKS)
  const create = async (): Promise<string> => {
    const { response } = await ask(house, 'tools/call', { name: 'worker_work', arguments: {}, _meta: meta })
    return String(response.result?.['taskId'])
  }
  const [first, second] = [await create(), await create()]

  const refused = await rawSubscription(t, house, { filter: { taskIds: [first] } })
  assert.equal(refused.answer.status, 400)
  assert.match(await refused.answer.text(), /"code":-32021/)
  const open = async (id: string, ...taskIds: readonly string[]) => {
    const { messages } = await rawSubscription(t, house, { id, meta, filter: { taskIds } })
    const { params } = await messages.until(() => true)
    return { messages, honoured: params?.['notifications'] }
  }
  const one = await open('1', first, 't1', `${first}A`)
  assert.deepEqual(one.honoured, { taskIds: [first] })
  const both = await open('2', first, second)
  assert.deepEqual(both.honoured, { taskIds: [first, second] })
  const listens = seenBy(worker, 'subscriptions/listen')
  assert.deepEqual(
    listens.map((sent) => paramsOf(sent)['notifications']),
    [{ taskIds: ['t1'] }, { taskIds: ['t1', 't2'] }],
  )

  const tell = (taskId: string, more: object): void => {
    const params = { taskId, ttlMs: null, ...more, _meta: { [SUBSCRIPTION]: 99 } }
    streams.entries.at(-1)?.event(notification('notifications/tasks', params))
  }
  tell('t2', { status: 'working' })
  tell('t3', { status: 'working' })
  tell('t1', { status: 'completed', result: link('x:1') })
  const completed = (id: number): object => ({
    taskId: first,
    ttlMs: null,
    status: 'completed',
    result: link('x+worker:1'),
    _meta: { [SUBSCRIPTION]: id },
  })
  for (const [id, { messages }] of [one, both].entries()) {
    const { params } = await messages.until(({ text }) => text.includes('completed'))
    assert.deepEqual(params, completed(id + 1))
  }
  const told = both.messages.entries.map(({ params }) => params?.['taskId'])
  assert.deepEqual(told, [undefined, second, first])
  assert.equal(one.messages.entries.length, 2, 'the acknowledgement, and its own task')
})

function notification(method: string, params: object): string {
  return JSON.stringify({ jsonrpc: '2.0', method, params })
}
