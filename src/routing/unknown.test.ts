import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from './entry.ts'
import { unknownName } from './unknown.ts'
import { ownView } from './view.ts'

const entryOf = (key: string): Entry => ({
  backend: 'a',
  kind: 'tools',
  key,
  text: '{}',
  paramHeaders: [],
  refersTo: [],
})

const messageFor = (name: string, known: readonly string[]): string =>
  unknownName(
    { kind: 'tools', name, scope: { kind: 'aggregate' }, rights: undefined },
    { view: ownView(known.map(entryOf)), away: [] },
  ).message

test('a wrong name is compared with so many names only, and so many are suggested', () => {
  const many = Array.from({ length: 3000 }, (_, index) => `unlike_${index}`)
  assert.match(messageFor('list_repos', [...many, 'list_repo']), /There is: unlike_0,.* and 2991 more\.$/)
  assert.match(messageFor('list_repos', ['list_repo', ...many]), /Close to it: list_repo\.$/)
  const alike = Array.from({ length: 100 }, (_, index) => `list_repos_${index}`)
  assert.equal(messageFor('list_repos', alike).split(', ').length, 10)
})

test('a name of absurd length is compared with none', () => {
  assert.match(messageFor('x'.repeat(1000), ['x']), /There is: x\.$/)
})
