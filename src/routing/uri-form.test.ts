import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { qualifyUri, unqualifyUri } from './uri-form.ts'

const CASES = [
  ['file:///a', 'db', 'file+db:///a'],
  ['git+ssh://h/x', 'my_DB', 'git+ssh+my.db://h/x'],
  ['ui://app/main', 'db', 'ui://db/app/main'],
  ['ui://{name}', 'db', 'ui://db/{name}'],
  ['test:opaque', 'db', 'test+db:opaque'],
  ['{+any}', 'db', 'toolgate+db:{+any}'],
  ['{scheme}://x', 'db', 'toolgate+db:{scheme}://x'],
  ['no scheme: at all', 'db', 'toolgate+db:no scheme: at all'],
  ['toolgate:x', 'db', 'toolgate+db:toolgate:x'],
] as const

for (const [uri, backend, qualified] of CASES) {
  test(`${uri} of ${backend} is seen as ${qualified}`, () => {
    assert.equal(qualifyUri(uri, backend), qualified)
    assert.equal(unqualifyUri(qualified, backend), uri)
  })
}

test('the form of one backend is not that of another', () => {
  for (const [uri, backend] of CASES) {
    const qualified = qualifyUri(uri, backend)
    assert.equal(unqualifyUri(qualified, 'other'), undefined)
    assert.equal(unqualifyUri(qualified, 'b'), undefined)
  }
  for (const uri of ['file:///a', 'ui://app/main', '+db:x', 'file:///x+db:/y', '', ':'])
    assert.equal(unqualifyUri(uri, 'db'), undefined)
})

test('every string comes back, and a URI stays a URI', () => {
  const backends = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/)
  const uris = fc.oneof(
    fc.string(),
    fc.webUrl(),
    fc
      .tuple(fc.constantFrom('ui://', 'UI://', 'file:///', 'toolgate:', 'toolgate+db:'), fc.string())
      .map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(uris, backends, (uri, backend) => {
      const qualified = qualifyUri(uri, backend)
      assert.equal(unqualifyUri(qualified, backend), uri)
      if (URL.canParse(uri)) assert.ok(URL.canParse(qualified), qualified)
    }),
    { seed: 20_261_122, numRuns: 300 },
  )
})
