// The tasks extension through the gateway: sealed ids that lead back to their backend.
import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import type { RawBackend } from './hostile/support/backend.ts'
import { ask, declaring, handwritten, paramsOf, seenBy } from './language/handwritten.ts'
import { type House, gateway } from './language/house.ts'
import type { RawAnswer } from './language/raw.ts'
import { fileScope } from './language/scope.ts'

const TASKS = 'io.modelcontextprotocol/tasks'

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

  test('are announced to modern clients alone', async () => {
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
