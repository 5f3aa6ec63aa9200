import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DEFAULT_RESILIENCE } from '../config/resilience-schema.ts'
import type { ToolPolicyConfig } from '../config/resilience.ts'
import { createToolPolicies } from './tool-policies.ts'

const policy = (pattern: string, over: Partial<ToolPolicyConfig> = {}): ToolPolicyConfig => ({
  pattern,
  idempotent: undefined,
  total: undefined,
  firstByte: undefined,
  idle: undefined,
  hedge: undefined,
  ...over,
})

const policies = (tools: readonly ToolPolicyConfig[], over = {}): ReturnType<typeof createToolPolicies> =>
  createToolPolicies({ ...DEFAULT_RESILIENCE, ...over, tools })

test('the first pattern that fits a tool counts', () => {
  const found = policies([policy('search_*'), policy('*_all'), policy('exact')])
  const fitting = (name: string): string | undefined => found.of(name)?.pattern
  assert.deepEqual(
    ['search_code', 'search_', 'search_all', 'list_all', 'exact', 'exactly', 'Search_x', ''].map(fitting),
    ['search_*', 'search_*', 'search_*', '*_all', 'exact', undefined, undefined, undefined],
  )
  assert.equal(found.of(undefined), undefined)
})

test('a pattern means what the regular expression of the same form means', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 })
  fc.assert(
    fc.property(text, fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 }), (pattern, name) => {
      const expression = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, 's')
      assert.equal(policies([policy(pattern)]).of(name) !== undefined, expression.test(name))
    }),
  )
})

test('the parts of the time are those of the tool, else those of the backend', () => {
  const target = (name: string) => ({ kind: 'one', backend: 'a', name, paramHeaders: [] }) as const
  const found = policies([policy('slow', { firstByte: 9 })], { idle: 5 })
  assert.deepEqual(found.timesOf(target('slow')), { firstByte: 9, idle: 5 })
  assert.deepEqual(found.timesOf(target('other')), { firstByte: undefined, idle: 5 })
  assert.equal(policies([]).timesOf(target('slow')), undefined)
})
