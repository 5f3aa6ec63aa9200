import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChannelError } from '../../channel.ts'
import { createComplaints, readTools } from './tools.ts'

test('a list of tools and an object with one are the same', () => {
  const tool = '{ "name":"a", "inputSchema":{"type":"object","x":1.0} }'
  for (const text of [`[${tool}]`, `{"tools":[${tool}],"ttlMs":5}`, `{"tools":[${tool}],"nextCursor":null}`])
    assert.deepEqual(readTools(text), [{ definition: tool }])
  assert.deepEqual(readTools('[]'), [])
})

test('a tool without a schema takes any object, and keeps what else it says', () => {
  assert.deepEqual(readTools('[{"name":"a","x":1.0}]'), [
    { definition: '{"inputSchema":{"type":"object"},"name":"a","x":1.0}' },
  ])
})

test('what cannot be called is left out', () => {
  const found = readTools('[1,{},{"name":7},{"name":".."},{"name":"a\\u202eb"},{"name":"ok"}]')
  assert.deepEqual(
    found.map((one) => ('problem' in one ? one.problem : 'listed')),
    [
      'is no object',
      'has no name that can be part of a path: null',
      'has no name that can be part of a path: null',
      'has no name that can be part of a path: ".."',
      'has no name that can be part of a path: "a\u202eb"',
      'listed',
    ],
  )
})

test('anything else is no list', () => {
  for (const text of ['1', '{}', '{"tools":{}}', '{"tools":[],"nextCursor":"x"}'])
    assert.throws(() => readTools(text), ChannelError)
})

test('what is left out is told once, and again when it changes', () => {
  const told: unknown[] = []
  const complain = createComplaints('crm', (_level, _message, fields) => told.push(fields?.['problem']))
  for (const problems of [['a'], ['a'], ['a', 'b'], [], ['a']]) complain(problems)
  assert.deepEqual(told, ['a', 'a', 'a'])
})
