// Sealed handles at the door of a real gateway: whatever is done to one, it is refused and reaches no backend.
// (`requestState` of parked calls: parked.test.ts. The seal itself: src/seal.)
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import fc from 'fast-check'
import { ask, declaring, handwritten, seenBy } from './language/handwritten.ts'
import { type House, gateway } from './language/house.ts'
import type { RpcMessage } from './language/raw.ts'
import { fileScope } from './language/scope.ts'

const TASKS = 'io.modelcontextprotocol/tasks'
const TASK = { taskId: 't-1', status: 'working', createdAt: 'now', lastUpdatedAt: 'now', ttlMs: null }
const META = declaring(TASKS)

const scope = fileScope()
let worker: Awaited<ReturnType<typeof handwritten>>
let house: House

before(async () => {
  const tool = (name: string): object => ({ name, inputSchema: { type: 'object' } })
  worker = await handwritten(
    scope,
    { [TASKS]: {} },
    {
      'tools/list': () => ({ tools: [tool('a'), tool('b'), tool('c')] }),
      'tools/call': () => ({ ...TASK, resultType: 'task' }),
      'tasks/get': () => ({ ...TASK, resultType: 'task' }),
      'tasks/cancel': () => ({}),
    },
  )
  house = await gateway({ backends: { worker }, gateway: { pageSize: 2 } })
  scope.after(async () => house.close())
})

/** Everything that can happen to the bytes of a handle, as a change of it. */
const changes = fc.oneof(
  fc
    .tuple(fc.nat(), fc.constantFrom(...'ABYZabyz0189-_=+/. %\u00e9'))
    .map(([where, letter]) => (handle: string) => {
      const at = where % handle.length
      return handle.slice(0, at) + letter + handle.slice(at + 1)
    }),
  fc.nat().map((where) => (handle: string) => handle.slice(0, where % handle.length)),
  fc.nat().map((where) => (handle: string) => handle.slice((where % handle.length) + 1)),
  fc.string({ minLength: 1 }).map((more) => (handle: string) => handle + more),
  fc
    .nat()
    .map(
      (where) => (handle: string) =>
        handle.slice(where % handle.length) + handle.slice(0, where % handle.length),
    ),
)

async function refusesEveryChange(
  handle: string,
  send: (changed: string) => Promise<RpcMessage>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(changes, async (change) => {
      const changed = change(handle)
      fc.pre(changed !== handle)
      const { error, result } = await send(changed)
      assert.equal(result, undefined)
      assert.ok(error !== undefined && [-32602, -32020].includes(error.code), JSON.stringify(error))
    }),
    { numRuns: 120 },
  )
}

test('no changed cursor is taken', async () => {
  const { response } = await house.raw.modern('tools/list')
  const cursor = response.result?.nextCursor ?? ''
  assert.notEqual(cursor, '')
  await refusesEveryChange(cursor, async (changed) => {
    return (await house.raw.modern('tools/list', { cursor: changed })).response
  })
  const { response: next } = await house.raw.modern('tools/list', { cursor })
  assert.deepEqual(
    next.result?.tools?.map(({ name }) => name),
    ['worker_c'],
  )
})

test('no changed task id is taken, by any method, and the backend hears of none', async () => {
  const call = { name: 'worker_a', arguments: {}, _meta: META }
  const { response } = await ask(house, 'tools/call', call)
  const taskId = String(response.result?.['taskId'])
  for (const method of ['tasks/get', 'tasks/cancel']) {
    await refusesEveryChange(taskId, async (changed) => {
      return (await ask(house, method, { taskId: changed, _meta: META })).response
    })
    assert.deepEqual(seenBy(worker, method), [])
    assert.equal((await ask(house, method, { taskId, _meta: META })).response.error, undefined)
  }
})
