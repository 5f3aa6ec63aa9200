import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { IntegrityPolicy } from '../../config/types.ts'
import type { ListKind } from '../../protocol/methods.ts'
import { type Inspection, inspect as inspectDefinition } from './inspect.ts'

fc.configureGlobal({ seed: 20260728 })

const inspect = (kind: ListKind, text: string, policy: IntegrityPolicy['onInvisible']): Inspection => {
  const { uri, name } = JSON.parse(text) as Readonly<Record<string, string>>
  return inspectDefinition({ kind, key: uri ?? name ?? '', text }, policy)
}

const tool = (members: string): string => `{ "name":"x", ${members} }`

describe('a definition', () => {
  test('without hidden characters is not touched', () => {
    for (const text of [
      tool('"description":"plain"'),
      tool(String.raw`"description":"caf\u00e9 \"quoted\" \\u202e \n"`),
      tool('"description":"❤️ 👨‍👩‍👧"'),
      tool(
        String.raw`"inputSchema":{"type":"object","properties":{"sep":{"default":"\u0000","enum":[",","\t"]}}}`,
      ),
    ]) {
      assert.deepEqual(inspect('tools', text, 'exclude'), { kind: 'clean' })
    }
  })

  test('shows what its texts hide, and keeps every other byte', () => {
    const found = inspect(
      'tools',
      tool(
        '"description" : "\\u00e9\\/\u202eab\\u200B\\n", "n":1.0e2,\n "inputSchema":{"properties":{"a":{"description":"x\u{e0041}","title":"\\udb40\\udc42"}}}',
      ),
      'escape',
    )
    assert.deepEqual(found, {
      kind: 'escaped',
      finding: 'U+202E and 3 more in its texts',
      text: tool(
        '"description" : "\\u00e9\\/\\\\u202eab\\\\u200b\\n", "n":1.0e2,\n "inputSchema":{"properties":{"a":{"description":"x\\\\u{e0041}","title":"\\\\u{e0042}"}}}',
      ),
    })
  })

  test('is left out where the policy says so', () => {
    assert.deepEqual(inspect('tools', tool('"title":"a\u200bb"'), 'exclude'), {
      kind: 'excluded',
      finding: 'U+200B in its texts',
    })
  })

  const excluded: Readonly<
    Record<string, readonly [kind: 'tools' | 'prompts' | 'resources', text: string, finding: string]>
  > = {
    'its name': ['tools', '{"name":"a\\u200bb"}', 'U+200B in its name'],
    'its name, raw': ['tools', '{"name":"a\u202eb"}', 'U+202E in its name'],
    'its name, a control': ['prompts', '{"name":"a\\nb"}', 'U+000A in its name'],
    'its URI': ['resources', '{"uri":"file:///a\u200b","name":"a"}', 'U+200B in its name'],
    'the name of a property': [
      'tools',
      tool('"inputSchema":{"properties":{"a\\u200b":{}}}'),
      'U+200B in the name of a member',
    ],
    'the name of an argument': [
      'prompts',
      '{"name":"p","arguments":[{"name":"a\u2060"}]}',
      'U+2060 in a value',
    ],
    'a value that is compared': [
      'tools',
      tool('"inputSchema":{"properties":{"a":{"enum":["b\u200b"]}}}'),
      'U+200B in a value',
    ],
    'a default': [
      'tools',
      tool('"inputSchema":{"properties":{"a":{"default":"\u{e0041}"}}}'),
      'U+E0041 in a value',
    ],
  }
  for (const [what, [kind, text, finding]] of Object.entries(excluded)) {
    test(`is left out for hidden characters in ${what}`, () => {
      assert.deepEqual(inspect(kind, text, 'escape'), { kind: 'excluded', finding })
    })
  }

  test('with more hidden characters than anybody needs is left out', () => {
    const found = inspect('tools', tool(`"description":"${'a\u200b'.repeat(10_001)}"`), 'escape')
    assert.deepEqual(found, { kind: 'excluded', finding: 'more than 10000 hidden characters in its texts' })
  })

  test('of a resource has a label, which is text', () => {
    assert.deepEqual(inspect('resources', '{"uri":"file:///a","name":"❤️ a\u200b"}', 'escape'), {
      kind: 'escaped',
      finding: 'U+200B in its texts',
      text: '{"uri":"file:///a","name":"❤️ a\\\\u200b"}',
    })
  })

  test('may have any data of applications', () => {
    const text = tool('"_meta":{"a\u200b":"\u202e"},"icons":[{"src":"\u200b"}]')
    assert.deepEqual(inspect('tools', text, 'exclude'), { kind: 'clean' })
    const nested = tool('"inputSchema":{"properties":{"_meta":{"description":"a\u200b"}}}')
    assert.equal(inspect('tools', nested, 'exclude').kind, 'excluded', 'only at the top')
  })

  test('is JSON afterwards, with the same meaning but for what was hidden', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (description, ascii) => {
        const plain = JSON.stringify({ name: 'x', description, n: 1 })
        const text = ascii
          ? plain.replaceAll(
              /[^\0-\x7f]/g,
              (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
            )
          : plain
        const found = inspect('tools', text, 'escape')
        if (found.kind !== 'escaped') return
        const { description: shown, ...rest } = JSON.parse(found.text) as { readonly description: string }
        assert.deepEqual(rest, { name: 'x', n: 1 })
        assert.deepEqual(inspect('tools', found.text, 'exclude'), { kind: 'clean' })
        assert.notEqual(shown, description)
      }),
    )
  })
})
