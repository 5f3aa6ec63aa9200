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
  isWithin,
  offeredOf,
  readFilter,
  unionOf,
} from './subscription.ts'

const filter = (lists: SubscriptionFilter['lists'], ...resources: string[]): SubscriptionFilter => ({
  lists,
  resources,
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
        taskIds: 1,
        resourceSubscriptions: ['a:b', 'a:b', 'é'],
      }),
      filter(['tools', 'resources'], 'a:b', 'é'),
    )
  })

  test('is refused where a member has another type, or where there is none', () => {
    for (const bad of [[], 'x', null, { toolsListChanged: 1 }, { promptsListChanged: 'true' }])
      assert.equal(read(bad), undefined, JSON.stringify(bad))
    for (const bad of ['a:b', [1], [null], {}, false])
      assert.equal(read({ resourceSubscriptions: bad }), undefined, JSON.stringify(bad))
    assert.equal(readFilter(request('subscriptions/listen')), undefined)
  })

  test('is written without what is not asked for, and read again as it was', () => {
    assert.equal(filterText(filter([])), '{}')
    const one = filter(['tools', 'prompts', 'resources'], 'a:"\\', 'b')
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
  const asked = filter(['tools'], 'a:b')
  assert.ok(asksFor(asked, { kind: 'list', list: 'tools' }))
  assert.ok(!asksFor(asked, { kind: 'list', list: 'prompts' }))
  assert.ok(asksFor(asked, { kind: 'resource', uri: 'a:b/c' }))
  assert.ok(!asksFor(asked, { kind: 'resource', uri: 'a:c' }))
})
