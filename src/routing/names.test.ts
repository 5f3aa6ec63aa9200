import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { NamePolicy } from '../config/types.ts'
import { type OwnName, MAX_NAME, exposeNames } from './names.ts'

const POLICIES: readonly NamePolicy[] = ['prefix', 'conflict', 'bare']

/** Few letters, so that collisions of every kind are common; and some names that are too long. */
const shortName = fc.string({ unit: fc.constantFrom('a', 'b', '_'), minLength: 1, maxLength: 4 })
const longName = fc.string({ unit: fc.constantFrom('a', 'b', '_', '😀'), minLength: 55, maxLength: 130 })
const ownName: fc.Arbitrary<OwnName> = fc.record({
  backend: shortName,
  name: fc.oneof({ weight: 3, arbitrary: shortName }, longName),
})
/** As a catalog holds them: no backend lists a name twice. */
const ownNames = fc.uniqueArray(ownName, {
  maxLength: 25,
  selector: ({ backend, name }) => `${backend} ${name}`,
})
const policies = fc.constantFrom(...POLICIES)

function names(policy: NamePolicy, ...entries: readonly string[]): readonly (string | undefined)[] {
  const own = entries.map((entry) => {
    const [backend = '', name = ''] = entry.split('/')
    return { backend, name }
  })
  return exposeNames(policy, own).map((exposed) => exposed?.exposed)
}

describe('exposed names', () => {
  test('are never two the same, never empty, never longer than model APIs accept', () => {
    fc.assert(
      fc.property(policies, ownNames, (policy, entries) => {
        const shown = exposeNames(policy, entries).flatMap((name) =>
          name === undefined ? [] : [name.exposed],
        )
        assert.equal(new Set(shown).size, shown.length)
        for (const name of shown) {
          assert.ok(name.length > 0 && name.length <= MAX_NAME, name)
          assert.ok(name.isWellFormed(), 'no half of a character')
        }
      }),
      { numRuns: 500 },
    )
  })

  test('leave nothing out unless they are bare', () => {
    fc.assert(
      fc.property(fc.constantFrom<NamePolicy>('prefix', 'conflict'), ownNames, (policy, entries) => {
        assert.ok(!exposeNames(policy, entries).includes(undefined))
      }),
      { numRuns: 300 },
    )
  })

  test('are the same for the same entries, and keep the full name exactly where it differs', () => {
    fc.assert(
      fc.property(policies, ownNames, (policy, entries) => {
        const first = exposeNames(policy, entries)
        assert.deepEqual(exposeNames(policy, entries), first)
        first.forEach((shown, index) => {
          const { backend, name } = entries[index] ?? { backend: '', name: '' }
          if (shown === undefined) return
          if (shown.full === undefined) assert.ok([name, `${backend}_${name}`].includes(shown.exposed))
          else {
            assert.ok([name, `${backend}_${name}`].includes(shown.full))
            assert.notEqual(shown.full, shown.exposed)
          }
        })
      }),
    )
  })

  test('stay when a backend is added behind: the first keeps its name', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<NamePolicy>('prefix', 'bare'),
        ownNames,
        ownNames,
        (policy, entries, more) => {
          const known = new Set(entries.map(({ backend }) => backend))
          const added = more.filter(({ backend }) => !known.has(backend))
          const before = exposeNames(policy, entries)
          assert.deepEqual(exposeNames(policy, [...entries, ...added]).slice(0, before.length), before)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('stay when a backend without common names is added in front', () => {
    const policiesThatPromise: readonly NamePolicy[] = POLICIES
    for (const policy of policiesThatPromise) {
      const before = names(policy, 'github/list', 'database/query', `storage/${'x'.repeat(80)}`)
      const after = names(policy, 'zoo/feed', 'github/list', 'database/query', `storage/${'x'.repeat(80)}`)
      assert.deepEqual(after.slice(1), before, policy)
    }
  })

  test('prefix: the backend stands in front of every name', () => {
    assert.deepEqual(names('prefix', 'a/x', 'b/x', 'b/y'), ['a_x', 'b_x', 'b_y'])
  })

  test('prefix: names that meet are told apart by a digest, the first keeps the plain one', () => {
    const [first, second] = names('prefix', 'a/b_c', 'a_b/c')
    assert.equal(first, 'a_b_c')
    assert.match(second ?? '', /^a_b_c_[0-9a-f]{8}$/)
    assert.deepEqual(
      exposeNames('prefix', [
        { backend: 'a', name: 'b_c' },
        { backend: 'a_b', name: 'c' },
      ])[1]?.full,
      'a_b_c',
    )
  })

  test('conflict: only names that several backends use get the backend in front', () => {
    assert.deepEqual(names('conflict', 'a/x', 'b/x', 'b/y'), ['a_x', 'b_x', 'y'])
  })

  test('bare: the first backend keeps a name, any other is left out', () => {
    assert.deepEqual(names('bare', 'a/x', 'b/x', 'b/y'), ['x', undefined, 'y'])
  })

  test('of the gateway itself always carry its name, and no backend takes one', () => {
    const entries = [
      { backend: 'a', name: 'gateway_health' },
      { backend: 'a', name: 'health' },
      { backend: 'gateway', name: 'health' },
    ]
    const named = (policy: NamePolicy): readonly (string | undefined)[] =>
      exposeNames(policy, entries).map((name) => name?.exposed)
    assert.deepEqual(named('prefix'), ['a_gateway_health', 'a_health', 'gateway_health'])
    assert.deepEqual(named('bare'), [undefined, 'health', 'gateway_health'])
    const [first, ...rest] = named('conflict')
    assert.match(first ?? '', /^gateway_health_[0-9a-f]{8}$/)
    assert.deepEqual(rest, ['health', 'gateway_health'])
  })

  test('of the gateway itself that are exact come first, and are told apart from nobody', () => {
    const entries = [
      { backend: 'github', name: 'list_repos' },
      { backend: 'github', name: 'github_list_repos' },
      { backend: 'gateway', name: 'github_list_repos', exact: true },
      { backend: 'gateway', name: 'health' },
    ]
    const named = (policy: NamePolicy): readonly (string | undefined)[] =>
      exposeNames(policy, entries).map((name) => name?.exposed)
    const [first, second, ...own] = named('prefix')
    assert.match(first ?? '', /^github_list_repos_[0-9a-f]{8}$/)
    assert.equal(second, 'github_github_list_repos')
    assert.deepEqual(own, ['github_list_repos', 'gateway_health'])
    assert.deepEqual(named('bare'), ['list_repos', undefined, 'github_list_repos', 'gateway_health'])
  })

  test('of 64 characters stay, of 65 are shortened in a way that tells long twins apart', () => {
    const fits = 'n'.repeat(MAX_NAME - 2)
    assert.deepEqual(names('prefix', `a/${fits}`), [`a_${fits}`])
    const [one, other] = names('prefix', `a/${fits}n`, `a/${fits}m`)
    assert.equal(one?.length, MAX_NAME)
    assert.equal(other?.length, MAX_NAME)
    assert.notEqual(one, other)
    assert.equal(exposeNames('prefix', [{ backend: 'a', name: `${fits}n` }])[0]?.full, `a_${fits}n`)
  })
})
