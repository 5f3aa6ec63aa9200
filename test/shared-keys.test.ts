// Gateways with the same sealing keys: what one sealed, the other opens, and a restart or a rotation changes nothing.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, test } from 'node:test'
import type { RawBackend } from './hostile/support/backend.ts'
import { ask, declaring, handwritten } from './language/handwritten.ts'
import { type House, gateway } from './language/house.ts'
import { modernServer } from './language/http-backend.ts'
import { gatewayProcess, site, toolgate } from './language/process.ts'
import type { Configured } from './language/scope.ts'
import { fileScope } from './language/scope.ts'

const TASKS = 'io.modelcontextprotocol/tasks'
const TASK = { taskId: 't-1', status: 'working', createdAt: 'now', lastUpdatedAt: 'now', ttlMs: null }
const META = declaring(TASKS)
const [OLD, NEW, OTHER] = [1, 2, 3].map(() => randomBytes(32).toString('base64url'))

const scope = fileScope()
let worker: RawBackend & Configured

before(async () => {
  const tool = (name: string): object => ({ name, inputSchema: { type: 'object' } })
  worker = await handwritten(
    scope,
    { [TASKS]: {} },
    {
      'tools/list': () => ({ tools: [tool('a'), tool('b'), tool('c')] }),
      'tools/call': () => ({ ...TASK, resultType: 'task' }),
      'tasks/get': () => ({ ...TASK, resultType: 'task' }),
    },
  )
})

async function replica(...keys: readonly (string | undefined)[]): Promise<House> {
  const house = await gateway({ backends: { worker }, gateway: { pageSize: 2, sealing: { keys } } })
  scope.after(async () => house.close())
  return house
}

/** What a gateway makes of a cursor and a task id of another: the next page, or nothing; the task, or nothing. */
async function taken(by: House, from: House): Promise<readonly [boolean, boolean]> {
  const { response: list } = await from.raw.modern('tools/list')
  const { response: call } = await ask(from, 'tools/call', { name: 'worker_a', arguments: {}, _meta: META })
  const cursor = list.result?.nextCursor ?? assert.fail('there is no cursor')
  const taskId = call.result?.['taskId'] ?? assert.fail('there is no task')
  const page = await by.raw.modern('tools/list', { cursor })
  const task = await ask(by, 'tasks/get', { taskId, _meta: META })
  return [page.response.error === undefined, task.response.error === undefined]
}

test('the same keys open on both, other keys never', async () => {
  const [one, two, stranger] = [await replica(OLD), await replica(OLD), await replica(OTHER)]
  assert.deepEqual(await taken(two, one), [true, true])
  assert.deepEqual(await taken(stranger, one), [false, false])
})

test('a rotation in three steps loses nothing: new key last, then first, then alone', async () => {
  const before = await replica(OLD)
  const prepared = await replica(OLD, NEW)
  const rotated = await replica(NEW, OLD)
  const after = await replica(NEW)
  for (const [by, from] of [
    [prepared, before],
    [before, prepared],
    [rotated, prepared],
    [prepared, rotated],
    [after, rotated],
    [rotated, after],
  ] as const) {
    assert.deepEqual(await taken(by, from), [true, true])
  }
  assert.deepEqual(await taken(after, before), [false, false])
})

test('without keys in the configuration, a restart and a rotation change nothing either', async (t) => {
  const backend = await modernServer(t)
  const where = await site(t, { backends: { backend }, gateway: { pageSize: 1 } })
  let cursor: string | undefined
  for (const _ of ['made', 'restarted', 'rotated']) {
    await using serving = await gatewayProcess(where)
    if (cursor !== undefined) {
      const next = await serving.raw.modern('tools/list', { cursor })
      assert.equal(next.response.error, undefined)
    }
    cursor ??= (await serving.raw.modern('tools/list')).response.result?.nextCursor
    assert.ok(cursor)
    const { code, stderr } = await toolgate(where, 'keys', 'rotate-sealing', '-c', where.file)
    assert.equal(code, 0, stderr)
  }
})
