import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readPin } from './definition.ts'

const TOOL = {
  name: 'search',
  title: 'Search',
  description: 'Searches.\nIn the library.',
  inputSchema: {
    type: 'object',
    properties: { text: { type: 'string', description: 'What' } },
    required: ['text'],
  },
  outputSchema: { type: 'object' },
  annotations: { readOnlyHint: true },
}
const digest = (definition: object): string => readPin(JSON.stringify(definition)).digest

describe('the pin of a definition', () => {
  test('covers all that a model or a client acts on, and says which member differs', () => {
    const changes: Readonly<Record<string, object>> = {
      title: { title: 'Find' },
      description: { description: 'Searches.\nIn the cellar.' },
      inputSchema: { inputSchema: { ...TOOL.inputSchema, required: [] } },
      outputSchema: { outputSchema: { type: 'object', properties: {} } },
      annotations: { annotations: { readOnlyHint: false } },
      hint: { hint: 'a member that a later revision may have' },
    }
    const before = readPin(JSON.stringify(TOOL))
    for (const [name, change] of Object.entries(changes)) {
      const now = readPin(JSON.stringify({ ...TOOL, ...change }))
      assert.notEqual(now.digest, before.digest, name)
      const keys = Object.keys({ ...before.members, ...now.members })
      assert.deepEqual(
        keys.filter((key) => before.members[key] !== now.members[key]),
        [name],
      )
    }
    assert.notEqual(digest({ ...TOOL, name: 'find' }), before.digest)
    const { title: _, ...untitled } = TOOL
    assert.notEqual(digest(untitled), before.digest)
    assert.notEqual(digest({ ...TOOL, title: '' }), digest(untitled))
  })

  test('leaves out pictures, data of applications and what is not shown, but for the page that shows a tool', () => {
    const icons = [{ src: 'https://a.example/1.png' }]
    assert.equal(
      digest({ ...TOOL, icons, _meta: { build: 1 }, execution: { taskSupport: 'optional' } }),
      digest(TOOL),
    )
    const ui = { ui: { resourceUri: 'ui://a' } }
    assert.notEqual(digest({ ...TOOL, _meta: ui }), digest(TOOL))
    assert.equal(digest({ ...TOOL, _meta: { ...ui, build: 1 } }), digest({ ...TOOL, _meta: ui }))
    assert.notEqual(digest({ ...TOOL, _meta: { 'ui/resourceUri': 'ui://a' } }), digest(TOOL))
  })

  test('has short facts for people, in which nothing hides', () => {
    const { summary, arguments: names } = readPin(JSON.stringify(TOOL))
    assert.deepEqual([summary, names], ['Searches.', ['text']])
    const odd = readPin(JSON.stringify({ name: 'x', description: `\u202eevil ${'long '.repeat(100)}` }))
    assert.ok(odd.summary.startsWith('\\u202eevil long'))
    assert.equal(odd.summary.length, 120)
    const prompt = readPin('{"name":"p","title":"T","arguments":[{"name":"a"},{"name":"b"},{}]}')
    assert.deepEqual([prompt.summary, prompt.arguments], ['T', ['a', 'b']])
  })
})
