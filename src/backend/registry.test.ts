import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { DEFAULT_RESILIENCE } from '../config/resilience-schema.ts'
import type { BackendConfig } from '../config/types.ts'
import { silentLog } from '../pipeline/log.ts'
import { createSealer, randomKey } from '../seal/seal.ts'
import { createQuota } from './quota.ts'
import { createBackendRegistry } from './registry.ts'

const configOf = (name: string, port = 1): BackendConfig => ({
  name,
  transport: 'http',
  url: `http://127.0.0.1:${port}/mcp`,
  era: 'auto',
  headers: {},
  connections: 1,
  timeout: 1000,
  isolation: 'shared',
  interactive: 'concurrent',
  maxSessions: 1,
  resilience: DEFAULT_RESILIENCE,
})

test('a backend stays the same for as long as its settings do, and is handed back when it leaves', async () => {
  const registry = createBackendRegistry({
    clock: createFakeClock(),
    log: silentLog,
    random: () => 0,
    clientInfo: { name: 'test', version: '1' },
    limits: {} as never,
    sealer: createSealer(randomKey()),
    parking: createQuota(1, 1),
    host: { pid: 1, platform: 'linux', env: {}, kill: () => undefined },
    children: undefined,
  })
  const first = registry.keep([configOf('a'), configOf('b')])
  assert.deepEqual([...first.backends.keys()], ['a', 'b'])
  assert.deepEqual(first.gone, [])
  const second = registry.keep([configOf('c'), configOf('b'), configOf('a', 2)])
  assert.deepEqual([...second.backends.keys()], ['c', 'b', 'a'])
  assert.equal(second.backends.get('b'), first.backends.get('b'))
  assert.notEqual(second.backends.get('a'), first.backends.get('a'))
  assert.deepEqual(second.gone, [first.backends.get('a')])
  assert.deepEqual(registry.keep([]).gone.length, 3)
  await Promise.all([...first.backends.values(), ...second.backends.values()].map((one) => one.close()))
})
