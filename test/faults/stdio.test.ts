// The faults of a process that is a backend × the filters that matter there, with the exact outcome.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type House, gateway } from '../language/house.ts'
import { eventually } from '../language/journal.ts'
import { type Configured, fileScope } from '../language/scope.ts'
import { stdioServer } from '../language/stdio-backend.ts'
import type { StdioFault } from './faulty-stdio.ts'

const PROGRAM = fileURLToPath(new URL('./faulty-stdio.ts', import.meta.url))

/** What one call came to, and what the process saw of it. */
type Row = readonly [outcome: readonly unknown[], executions: readonly number[], wasCancelled: boolean]

const OK = [200, undefined, undefined]
const LATE = [504, 'BACKEND_TIMEOUT', 'unknown']
const LOST = [502, 'BACKEND_UNAVAILABLE', 'unknown']
const GARBAGE = [502, 'BACKEND_PROTOCOL', 'unknown']

const OFF = { era: 'modern', retry: false, circuitBreaker: false, bulkhead: false }
const FILTERS = {
  none: { ...OFF, timeout: '1500ms' },
  parts: { ...OFF, timeout: { total: '1500ms', firstByte: '400ms' } },
  idempotent: {
    ...OFF,
    timeout: { total: '1500ms', firstByte: '400ms' },
    retry: { tries: 2, backoff: '10ms', minimum: 1000 },
    tools: { work: { idempotent: true } },
  },
} as const

const ROWS: Readonly<Record<StdioFault, Readonly<Record<keyof typeof FILTERS, Row>>>> = {
  hangs: { none: [LATE, [1], true], parts: [LATE, [1], true], idempotent: [LATE, [2], true] },
  'answers garbage': {
    none: [GARBAGE, [1], false],
    parts: [GARBAGE, [1], false],
    idempotent: [GARBAGE, [2], false],
  },
  'slow first byte': { none: [OK, [1], false], parts: [LATE, [1], true], idempotent: [LATE, [2], true] },
  'slow trickle': { none: [LATE, [1], true], parts: [LATE, [1], true], idempotent: [LATE, [2], true] },
  // The second try meets a new process, which dies of it, or none yet.
  dies: { none: [LOST, [1], false], parts: [LOST, [1], false], idempotent: [LOST, [1, 2], false] },
}

suite('a process that fails', () => {
  const scope = fileScope()
  let folder: string
  let house: House

  const journalOf = (name: string): string => join(folder, name)
  const linesOf = (name: string): readonly string[] =>
    existsSync(journalOf(name)) ? readFileSync(journalOf(name), 'utf8').trim().split('\n') : []
  const call = async (backend: string, name = 'work'): Promise<readonly unknown[]> => {
    const { status, response } = await house.raw.modern(
      'tools/call',
      { name, arguments: {} },
      { route: backend },
    )
    const data = response.error?.data
    return [status, data?.['code'], data?.['outcome']]
  }
  const nameOf = (fault: string, filter: string): string => `${fault.replaceAll(' ', '-')}_${filter}`

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toolgate-faults-'))
    const failing = Object.keys(ROWS).flatMap((fault) =>
      Object.entries(FILTERS).map(([filter, settings]) => {
        const name = nameOf(fault, filter)
        const args = [PROGRAM, fault, journalOf(name)]
        return [name, { settings: { command: process.execPath, args, ...settings } }] as const
      }),
    )
    const healthy = await stdioServer(scope, 'modern')
    house = await gateway({ backends: { healthy, ...Object.fromEntries<Configured>(failing) } })
    // On a busy machine one of so many processes may be asked in vain at first, for its era or for its tools.
    const isListed = async (route: string): Promise<boolean> => {
      const { response } = await house.raw.modern('tools/list', {}, { route })
      return JSON.stringify(response.result).includes('"work"')
    }
    for (const [name] of failing) await eventually(`${name} lists its tool`, () => isListed(name))
  })
  after(async () => {
    await house.close()
    await rm(folder, { recursive: true })
  })

  for (const [fault, filters] of Object.entries(ROWS)) {
    for (const [filter, [outcome, executions, wasCancelled]] of Object.entries(filters)) {
      test(`${fault}, with ${filter}`, async () => {
        const name = nameOf(fault, filter)
        const [seen, healthy] = await Promise.all([call(name), call('healthy', 'echo')])
        assert.deepEqual(healthy, OK)
        assert.deepEqual(seen, outcome)
        const count = linesOf(name).filter((line) => line === 'executed').length
        assert.ok(executions.includes(count), `${count} executions`)
        // What came before the call was about lists that took too long.
        const hears = (): boolean =>
          linesOf(name).lastIndexOf('notifications/cancelled') > linesOf(name).indexOf('executed')
        if (wasCancelled) await eventually('the process hears that nobody waits', hears)
        else assert.ok(!hears())
      })
    }
  }

  test('is used again when it is well', async () => {
    const name = nameOf('dies', 'none')
    writeFileSync(`${journalOf(name)}.well`, '')
    await eventually('it serves again', async () => (await call(name))[0] === 200)
  })
})
