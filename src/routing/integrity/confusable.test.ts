import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fold, isOneEditApart, skeleton } from './confusable.ts'

test('names that look alike have one skeleton', () => {
  const alike = [
    'list_repos',
    'LIST_REPOS',
    'líst_repos',
    'lіst_rеpоs',
    'ｌｉｓｔ＿ｒｅｐｏｓ',
    '𝗅𝗂𝗌𝗍_𝗋𝖾𝗉𝗈𝗌',
    '1ist_rep0s',
  ]
  assert.deepEqual(new Set(alike.map(skeleton)), new Set(['list_repos']))
  assert.notEqual(skeleton('list_repo'), skeleton('list_repos'))
  assert.equal(skeleton('поиск').length, 5, 'what looks like nothing else stays')
})

test('separators make no difference to a reader', () => {
  const alike = [
    'list_repos',
    'list-repos',
    'listRepos',
    'List.Repos',
    'list repos',
    'list/repos',
    'list__repos',
  ]
  assert.deepEqual(new Set(alike.map(fold)), new Set(['listrepos']))
})

test('one edit is one character more, less or other', () => {
  for (const [a, b] of [
    ['abc', 'abcd'],
    ['abc', 'bc'],
    ['abc', 'axc'],
    ['aa', 'a'],
    ['', 'a'],
    ['aab', 'ab'],
  ] as const) {
    assert.ok(isOneEditApart(a, b), `${a} ${b}`)
    assert.ok(isOneEditApart(b, a), `${b} ${a}`)
  }
  for (const [a, b] of [
    ['abc', 'abc'],
    ['abc', 'acb'],
    ['abc', 'a'],
    ['abcd', 'xbcy'],
    ['', 'ab'],
  ] as const)
    assert.ok(!isOneEditApart(a, b), `${a} ${b}`)
})
