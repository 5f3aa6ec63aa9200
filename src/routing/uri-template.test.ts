import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileUriTemplate } from './uri-template.ts'

const CASES: readonly (readonly [template: string, matching: readonly string[], other: readonly string[]])[] =
  [
    ['test://plain', ['test://plain'], ['test://plain/', 'test://plai', '']],
    [
      'test://t/{id}/data',
      ['test://t/1/data', 'test://t/a%20b/data'],
      ['test://t//data', 'test://t/1/2/data', 'test://t/1'],
    ],
    ['{scheme}:{rest}', ['a:b', 'a:b:c'], ['a', 'a:', ':b', 'a:b/c']],
    ['file:///{+path}', ['file:///a/b?c#d', 'file:///a'], ['file:///', 'files:///a']],
    ['x:{a}{b}', ['x:ab', 'x:abc'], ['x:a', 'x:']],
    ['x:{a}-{b}', ['x:1-2', 'x:1-2-3'], ['x:1', 'x:-']],
    ['x:a{/path*}', ['x:a', 'x:a/b', 'x:a/b/c'], ['x:ab', 'x:a?b']],
    ['x:a{?q,r}', ['x:a', 'x:a?q=1', 'x:a?q=1&r=/2'], ['x:a&q=1', 'x:a#q']],
    ['x:a?z=1{&q}', ['x:a?z=1', 'x:a?z=1&q=2'], ['x:a?z=12']],
    ['x:a{#f}', ['x:a', 'x:a#b/c'], ['x:ab']],
    ['x:a{.ext}', ['x:a', 'x:a.tar.gz'], ['x:a/b', 'x:a.b/c']],
    ['x:a{;p}', ['x:a', 'x:a;p=1'], ['x:a/']],
    ['x:{id:3}', ['x:abc'], ['x:a/b']],
  ]

for (const [text, matching, other] of CASES) {
  test(`${text} matches what it can expand to`, () => {
    const template = compileUriTemplate(text)
    assert.ok(template)
    for (const uri of matching) assert.ok(template.matches(uri), uri)
    for (const uri of other) assert.ok(!template.matches(uri), uri)
  })
}

test('what is no template matches nothing', () => {
  for (const text of ['x:{', 'x:{}', 'x:{a', 'x:{=a}', 'x:{a{b}}', `x:${'{a}'.repeat(33)}`])
    assert.equal(compileUriTemplate(text), undefined, text)
})

test('no template makes matching slow', () => {
  const template = compileUriTemplate(`x:${'{a}-'.repeat(32)}!`)
  const begun = process.cpuUsage()
  assert.equal(template?.matches(`x:${'-a'.repeat(10_000)}`), false)
  // Backtracking would need longer than the universe has existed.
  assert.ok(process.cpuUsage(begun).user < 2_000_000)
})
