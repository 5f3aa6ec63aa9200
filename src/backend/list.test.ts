import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { identity, result, rpcError, tool } from '../../test/support/scripted.ts'
import type { ErrorMessage, ResultMessage } from '../protocol/message.ts'
import type { ListKind } from '../protocol/methods.ts'
import type { BackendList } from './backend.ts'
import { ChannelError } from './channel.ts'
import { fetchList } from './list.ts'
import type { Speaker } from './speaker.ts'

type Answers = (params: string, page: number) => ResultMessage | ErrorMessage

const LIMITS = { maxEntries: 10, maxSize: 100_000 }

async function fetchFrom(
  answers: Answers,
  over: { readonly kind?: ListKind; readonly maxEntries?: number; readonly maxSize?: number } = {},
): Promise<{ readonly list: BackendList; readonly asked: readonly string[] }> {
  const asked: string[] = []
  const speaker = {
    identity: identity(),
    ask: (method: string, params: string) => {
      asked.push(`${method} ${params}`.trim())
      return Promise.resolve(answers(params, asked.length - 1))
    },
  } as unknown as Speaker
  const { kind = 'tools', ...limits } = over
  const signal = new AbortController().signal
  return { list: await fetchList(speaker, kind, { ...LIMITS, ...limits, signal }), asked }
}

async function failure(answers: Answers, over: Parameters<typeof fetchFrom>[1] = {}): Promise<string> {
  try {
    await fetchFrom(answers, over)
  } catch (error) {
    assert.ok(error instanceof ChannelError && error.failure.kind === 'protocol', String(error))
    return error.message
  }
  return assert.fail('not refused')
}

describe('a list of a backend', () => {
  test('is believed to be fresh for a day at most', async () => {
    for (const ttl of ['1e400', '99999999999', '86400001']) {
      const { list } = await fetchFrom(() => result(`{"tools":[],"ttlMs":${ttl}}`))
      assert.equal(list.ttlMs, 86_400_000, ttl)
    }
  })

  test('is followed to its last page; the shortest life and the narrowest scope count', async () => {
    const pages = [
      { tools: [tool('a')], nextCursor: 'p"2', ttlMs: 5000, cacheScope: 'public' },
      { tools: [], nextCursor: '', ttlMs: 3000, cacheScope: 'public' },
      { tools: [tool('b')], ttlMs: 4000, cacheScope: 'private' },
    ]
    const { list, asked } = await fetchFrom((_params, page) => result(pages[page] ?? {}))
    assert.deepEqual(asked, ['tools/list', 'tools/list "cursor":"p\\"2"', 'tools/list "cursor":""'])
    assert.deepEqual(list, {
      entries: [JSON.stringify(tool('a')), JSON.stringify(tool('b'))],
      ttlMs: 3000,
      cacheScope: 'private',
      offered: true,
    })
  })

  test('keeps the bytes of its entries, and leaves out what is no object', async () => {
    const odd = '{ "name":"a", "x":1.0e5,"y":"\\u00e9","z":{"deep":[{"er":-0}]} }'
    const { list } = await fetchFrom(() => result(`{"tools":[${odd},7,null,[],"s"]}`))
    assert.deepEqual(list.entries, [odd])
  })

  test('says nothing of its life: it is not to be kept, and private', async () => {
    for (const value of [
      '{"tools":[]}',
      '{"tools":[],"ttlMs":-5,"cacheScope":"secret"}',
      '{"tools":[],"ttlMs":"9"}',
    ]) {
      const { list } = await fetchFrom(() => result(value))
      assert.deepEqual([list.ttlMs, list.cacheScope], [0, 'private'])
    }
  })

  test('is not asked for where the backend does not offer it', async () => {
    const nothing = { entries: [], ttlMs: 0, cacheScope: 'public', offered: false }
    const speaker = {
      identity: identity({ capabilities: {} }),
      ask: () => assert.fail('asked'),
    } as unknown as Speaker
    const signal = new AbortController().signal
    assert.deepEqual(await fetchList(speaker, 'tools', { ...LIMITS, signal }), nothing)
    const { list } = await fetchFrom(() => rpcError(-32601), { kind: 'resourceTemplates' })
    assert.deepEqual(list, nothing)
  })
})

describe('a lying backend', () => {
  test('that repeats a cursor', async () => {
    const cursors = ['a', 'b', 'a']
    const answers: Answers = (_params, page) => result({ tools: [], nextCursor: cursors[page % 3] })
    assert.equal(await failure(answers), 'repeats a cursor of tools/list')
  })

  test('that never ends', async () => {
    const answers: Answers = (_params, page) => result({ tools: [], nextCursor: `c${page}` })
    assert.equal(await failure(answers), 'has more than 1000 pages of tools')
  })

  test('that lists too much: on one page, over many, in number or in size', async () => {
    const full = (count: number): object[] => Array.from({ length: count }, (_, index) => tool(`t${index}`))
    assert.equal((await fetchFrom(() => result({ tools: full(10) }))).list.entries.length, 10)
    assert.equal(await failure(() => result({ tools: full(11) })), 'lists more than 10 tools')
    const pages: Answers = (_params, page) => result({ tools: full(4), nextCursor: `c${page}` })
    assert.equal(await failure(pages), 'lists more than 10 tools')
    const huge = `{"tools":[${Array.from({ length: 200_000 }, () => '{}').join(',')}]}`
    assert.equal(await failure(() => result(huge), { maxSize: 1e9 }), 'lists more than 10 tools')
    const padded: Answers = (_params, page) =>
      result({ tools: [], nextCursor: `${page}${'x'.repeat(20_000)}` })
    assert.equal(await failure(padded), 'lists tools of more than 100000 characters')
  })

  test('that answers no list, or stops in the middle', async () => {
    assert.equal(await failure(() => result({})), 'answered without a list of tools')
    assert.equal(await failure(() => result({ tools: {} })), 'answered without a list of tools')
    assert.equal(await failure(() => rpcError(-32000, 'busy')), 'refused tools/list with error -32000: busy')
    const answers: Answers = (_params, page) =>
      page === 0 ? result({ tools: [], nextCursor: 'n' }) : rpcError(-32601)
    assert.equal(await failure(answers), 'stopped in the middle of its list')
  })
})
