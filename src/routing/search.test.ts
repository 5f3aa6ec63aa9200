import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import {
  callOf,
  collect,
  request,
  result,
  rpcError,
  scriptedBackend,
  untilAborted,
  someone,
} from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { Call, Reply } from '../pipeline/call.ts'
import { mintPermit } from '../pipeline/permit.ts'
import type { OneTarget, SearchOperation, Target } from '../pipeline/target.ts'
import { createSealer, randomKey } from '../seal/seal.ts'
import { createSearch } from './search.ts'
import { createTaskIds } from './tasks.ts'
import { createUriSpace } from './uris.ts'

const URI = 'x:1'
const NOT_FOUND = (): Promise<Reply> => Promise.resolve(rpcError(-32602, 'not found'))

function setUp(names: readonly string[] = ['a', 'b', 'c']) {
  const clock = createFakeClock()
  const backends = new Map(names.map((name) => [name, scriptedBackend(name)]))
  const backend = (name: string): ReturnType<typeof scriptedBackend> =>
    backends.get(name) ?? assert.fail(`no backend ${name}`)
  for (const each of backends.values()) each.onSend = NOT_FOUND
  const leftAlone = new Set<string>()
  const search = createSearch({
    backends,
    clock,
    askTimeout: 1000,
    mayAsk: (name) => !leftAlone.has(name),
    catalog: { uris: () => createUriSpace({ backends: names, uris: [], templates: [] }) },
    taskIds: createTaskIds(createSealer(randomKey())),
  })
  const candidate = (name: string): OneTarget => ({ kind: 'one', backend: name, name: URI, paramHeaders: [] })
  const read = (over: Partial<Call> = {}, candidates = names.map(candidate)): Promise<Reply> => {
    const operation: SearchOperation = { kind: 'search', uri: URI, candidates }
    const target: Target = { kind: 'many', operation, backends: names }
    const call = callOf(request('resources/read', { uri: URI }), over)
    return search({ ...call, target, permit: mintPermit(target) }, operation, collect())
  }
  const asked = (): string[] => names.filter((name) => backend(name).sent.length > 0)
  return { clock, backend, read, asked, leftAlone }
}

describe('a search', () => {
  test('asks one after the other until one has the resource, and that one first from then on', async () => {
    const { backend, read, asked } = setUp()
    const found = result({ contents: [] })
    backend('b').onSend = () => Promise.resolve(found)
    assert.equal(await read(), found)
    assert.deepEqual(asked(), ['a', 'b'])
    assert.equal(await read(), found)
    assert.equal(backend('a').sent.length, 1)
    assert.equal(await read({ principal: someone('other') }), found)
    assert.equal(backend('a').sent.length, 2)
  })

  test('leaves alone whom nobody may ask at the moment, and says that they are away', async () => {
    const { read, asked, leftAlone } = setUp()
    leftAlone.add('b')
    await assert.rejects(read(), { code: 'UNKNOWN_NAME', message: /Away: b\.$/ })
    assert.deepEqual(asked(), ['a', 'c'])
  })

  test('takes a request for input as having found it', async () => {
    const { backend, read } = setUp()
    const asking = result({ resultType: 'input_required', requestState: 's' })
    backend('a').onSend = () => Promise.resolve(asking)
    assert.equal(await read(), asking)
  })

  test('prefers what somebody has over what went wrong elsewhere, and that over "not found"', async () => {
    const { backend, read } = setUp()
    const failed = rpcError(-32000, 'broken')
    backend('a').onSend = () => Promise.resolve(failed)
    assert.equal(await read(), failed)
    const found = result({ contents: [] })
    backend('c').onSend = () => Promise.resolve(found)
    assert.equal(await read(), found)
  })

  test('that finds nothing says whom it asked, and who did not answer', async () => {
    const { backend, read } = setUp()
    backend('b').onSend = () => Promise.reject(new GatewayError('BACKEND_UNAVAILABLE', 'gone'))
    await assert.rejects(read(), (error: unknown) => {
      assert.ok(error instanceof GatewayError)
      assert.equal(error.code, 'UNKNOWN_NAME')
      assert.deepEqual(error.details.data, { uri: URI })
      assert.match(error.message, /^Unknown resource: x:1\. .* asked for at: a, b, c\. Away: b\.$/)
      return true
    })
  })

  test('gives each its time, and all together theirs', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `n${index}`)
    const { clock, backend, read, asked } = setUp(names)
    const entered = names.map(() => Promise.withResolvers<void>())
    names.forEach((name, index) => {
      backend(name).onSend = ({ signal }) => {
        entered[index]?.resolve()
        return untilAborted(signal)
      }
    })
    const searching = assert.rejects(read(), { code: 'UNKNOWN_NAME' })
    for (let index = 0; index < 5; index++) {
      await entered[index]?.promise
      await clock.advance(1000)
    }
    await searching
    assert.deepEqual(asked(), names.slice(0, 5))
  })

  test('ends when the caller cancels, and asks nobody else', async () => {
    const { backend, read, asked } = setUp()
    const controller = new AbortController()
    backend('a').onSend = ({ signal }) => {
      controller.abort(new GatewayError('CANCELLED', 'enough'))
      return untilAborted(signal)
    }
    await assert.rejects(read({ signal: controller.signal }), { code: 'CANCELLED' })
    assert.deepEqual(asked(), ['a'])
  })
})
