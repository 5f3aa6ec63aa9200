import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { callOf, request, tool } from '../../test/support/scripted.ts'
import { DEFAULT_RESILIENCE } from '../config/resilience-schema.ts'
import type { ResilienceConfig } from '../config/resilience.ts'
import type { Permitted } from '../pipeline/call.ts'
import { mintPermit } from '../pipeline/permit.ts'
import { readEntry } from '../routing/entry.ts'
import { createRepeatable } from './repeatable.ts'
import { createToolPolicies } from './tool-policies.ts'

function call(method: string, params: object = {}, name: string | undefined = 'read'): Permitted {
  const target = { kind: 'one', backend: 'a', name, paramHeaders: [] } as const
  return { ...callOf(request(method, { name, ...params })), target, permit: mintPermit(target) }
}

/** @param annotations what the backend says about its tool `read` */
function setUp(over: Partial<ResilienceConfig> = {}, annotations: object = {}) {
  const config = { ...DEFAULT_RESILIENCE, ...over }
  const entry = readEntry('a', 'tools', JSON.stringify(tool('read', { annotations })))
  if ('invalid' in entry) throw new TypeError(entry.invalid)
  const shown = { entry, exposed: 'read', text: entry.text }
  return createRepeatable(config, {
    policies: createToolPolicies(config),
    backend: 'a',
    catalog: { peek: (kind, _scope, name) => (kind === 'tools' && name === 'read' ? shown : undefined) },
  })
}

const IDEMPOTENT = [
  {
    pattern: 'read',
    idempotent: true,
    total: undefined,
    firstByte: undefined,
    idle: undefined,
    hedge: undefined,
  },
]

describe('what may run twice', () => {
  test('are methods that only read', () => {
    const repeatable = setUp()
    for (const method of ['resources/read', 'prompts/get', 'completion/complete', 'tasks/get'])
      assert.ok(repeatable.mayBe(call(method)), method)
    for (const method of ['tools/call', 'tasks/update', 'tasks/cancel', 'vendor/write'])
      assert.ok(!repeatable.mayBe(call(method)), method)
  })

  test('are tools of which the operator says so, and no others', () => {
    const repeatable = setUp({ tools: IDEMPOTENT })
    assert.ok(repeatable.mayBe(call('tools/call')))
    assert.ok(!repeatable.mayBe(call('tools/call', {}, 'write')))
  })

  test('are tools that say so themselves only where the operator believes them', () => {
    for (const hint of [{ readOnlyHint: true }, { idempotentHint: true }]) {
      assert.ok(!setUp({}, hint).mayBe(call('tools/call')), 'annotations alone are not trusted')
      assert.ok(setUp({ trustAnnotations: true }, hint).mayBe(call('tools/call')))
      assert.ok(!setUp({ trustAnnotations: true }, hint).mayBe(call('tools/call', {}, 'unlisted')))
    }
    for (const hint of [{ readOnlyHint: false }, { idempotentHint: 'true' }, {}])
      assert.ok(!setUp({ trustAnnotations: true }, hint).mayBe(call('tools/call')))
    const denied = IDEMPOTENT.map((policy) => ({ ...policy, idempotent: false }))
    const both = setUp({ trustAnnotations: true, tools: denied }, { readOnlyHint: true })
    assert.ok(!both.mayBe(call('tools/call')), 'the operator knows better')
  })

  test('are neither calls that go on from an input request, nor those that may leave a task behind', () => {
    const repeatable = setUp({ tools: IDEMPOTENT })
    const tasks = {
      _meta: {
        'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
      },
    }
    assert.ok(repeatable.is(call('tools/call')))
    assert.ok(!repeatable.is(call('tools/call', { requestState: 'x' })))
    assert.ok(!repeatable.is(call('tools/call', { inputResponses: {} })))
    assert.ok(!repeatable.is(call('tools/call', tasks)))
    assert.ok(repeatable.is(call('prompts/get', tasks)), 'only tools answer with tasks')
  })
})
