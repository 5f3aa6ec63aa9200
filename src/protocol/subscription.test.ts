import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { notificationOf, request } from '../../test/support/scripted.ts'
import {
  type SubscriptionFilter,
  asksFor,
  changeNotification,
  changeOf,
  covers,
  filterText,
  intersectionOf,
  isEmptyFilter,
  isWithin,
  offeredOf,
  readFilter,
  unionOf,
} from './subscription.ts'

const filter = (lists: SubscriptionFilter['lists'], ...resources: string[]): SubscriptionFilter => ({
  lists,
  resources,
  tasks: [],
})

describe('the filter of a request', () => {
  const read = (notifications: unknown): SubscriptionFilter | undefined =>
    readFilter(request('subscriptions/listen', { notifications }))

  test('is what it asks for; what is false, missing or unknown is not asked for', () => {
    assert.deepEqual(read({}), filter([]))
    assert.deepEqual(
      read({
        resourcesListChanged: true,
        toolsListChanged: true,
        promptsListChanged: false,
        other: 1,
        resourceSubscriptions: ['a:b', 'a:b', 'é'],
      }),
      filter(['tools', 'resources'], 'a:b', 'é'),
    )
  })

  test('is refused where a member has another type, or where there is none', () => {
    for (const bad of [[], 'x', null, { toolsListChanged: 1 }, { promptsListChanged: 'true' }])
      assert.equal(read(bad), undefined, JSON.stringify(bad))
    for (const bad of ['a:b', [1], [null], {}, false])
      for (const name of ['resourceSubscriptions', 'taskIds'])
        assert.equal(read({ [name]: bad }), undefined, JSON.stringify(bad))
    assert.equal(readFilter(request('subscriptions/listen')), undefined)
  })

  test('is written without what is not asked for, and read again as it was', () => {
    assert.equal(filterText(filter([])), '{}')
    const one = { ...filter(['tools', 'prompts', 'resources'], 'a:"\\', 'b'), tasks: ['t"1', 't2'] }
    assert.deepEqual(read(JSON.parse(filterText(one))), one)
  })
})

test('filters are united, intersected and compared', () => {
  const a = filter(['tools'], 'x', 'y')
  const b = filter(['prompts', 'tools'], 'y', 'z')
  assert.deepEqual(unionOf([a, b]), filter(['tools', 'prompts'], 'x', 'y', 'z'))
  assert.deepEqual(intersectionOf(a, b), filter(['tools'], 'y'))
  assert.ok(covers(unionOf([a, b]), a) && covers(a, a) && covers(a, filter([])))
  assert.ok(!covers(a, b) && !covers(a, filter([], 'z')) && !covers(filter([], 'x'), filter(['tools'])))
})

test('tasks are united, intersected, compared and offered like the rest', () => {
  const tasks = (...ids: string[]): SubscriptionFilter => ({ ...filter([]), tasks: ids })
  assert.deepEqual(unionOf([tasks('a', 'b'), tasks('b', 'c')]), tasks('a', 'b', 'c'))
  assert.deepEqual(intersectionOf(tasks('a', 'b'), tasks('b', 'c')), tasks('b'))
  assert.ok(covers(tasks('a', 'b'), tasks('b')) && !covers(tasks('a'), tasks('b')))
  assert.ok(isEmptyFilter(tasks()) && !isEmptyFilter(tasks('a')))
  const extensions = { 'io.modelcontextprotocol/tasks': {} }
  assert.deepEqual(offeredOf(tasks('a'), { extensions }), tasks('a'))
  for (const capabilities of [{}, { extensions: {} }, { extensions: null }, { extensions: 'x' }])
    assert.deepEqual(offeredOf(tasks('a'), capabilities), tasks())
})

test('a server honours only what it declares', () => {
  const all = filter(['tools', 'prompts', 'resources'], 'x')
  assert.deepEqual(offeredOf(all, {}), filter([]))
  const declared = {
    tools: { listChanged: true },
    prompts: { listChanged: 'yes' },
    resources: { subscribe: true },
  }
  assert.deepEqual(offeredOf(all, declared), filter(['tools'], 'x'))
  assert.deepEqual(offeredOf(all, { tools: null, resources: { listChanged: true } }), filter(['resources']))
})

test('a sub-resource goes on at a border of the resource', () => {
  for (const uri of ['a://b', 'a://b/c', 'a://b?c', 'a://b#c', 'a://b/c/d'])
    assert.ok(isWithin('a://b', uri), uri)
  for (const uri of ['a://bc', 'a://', 'b://b', 'a://c/b', '']) assert.ok(!isWithin('a://b', uri), uri)
  assert.ok(isWithin('a://b/', 'a://b/c') && !isWithin('a://b/', 'a://b'))
})

test('a notification says what changed, and nothing but changes is asked for', () => {
  for (const change of [
    { kind: 'list', list: 'tools' },
    { kind: 'list', list: 'resources' },
    { kind: 'resource', uri: 'a:"' },
  ] as const)
    assert.deepEqual(changeOf(changeNotification(change)), change)
  for (const other of [
    '{"jsonrpc":"2.0","method":"notifications/progress"}',
    '{"jsonrpc":"2.0","method":"notifications/resources/updated"}',
    '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":1}}',
    '{"jsonrpc":"2.0","method":"toString"}',
  ])
    assert.equal(changeOf(notificationOf(other)), undefined, other)
  const status = notificationOf(
    '{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t\\u0031"}}',
  )
  assert.deepEqual(changeOf(status), { kind: 'task', taskId: 't1' })
  assert.ok(asksFor({ ...filter([]), tasks: ['t1'] }, { kind: 'task', taskId: 't1' }))
  assert.ok(!asksFor({ ...filter([]), tasks: ['t'] }, { kind: 'task', taskId: 't1' }))
  const asked = filter(['tools'], 'a:b')
  assert.ok(asksFor(asked, { kind: 'list', list: 'tools' }))
  assert.ok(!asksFor(asked, { kind: 'list', list: 'prompts' }))
  assert.ok(asksFor(asked, { kind: 'resource', uri: 'a:b/c' }))
  assert.ok(!asksFor(asked, { kind: 'resource', uri: 'a:c' }))
})
