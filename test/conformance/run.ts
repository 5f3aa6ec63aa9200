// The official conformance suite, in every cell of client era × server era, through the gateway: first as a client of
// the gateway, then (cells `client:…`) as a server behind it.
// Usage: node test/conformance/run.ts [--json] [--server] [--client] [--cell modern-modern]... [--direct]
//   [--output dir] [--gateway program]
// Exit code 1 when a cell is not as `expected-failures.yml` says, 2 when the run itself is wrong.
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { DIRECT_CELLS, GATEWAY_CELLS, type Cell } from './cells.ts'
import { CLIENT_CELLS, type ClientCell } from './client/cells.ts'
import { runClientCell } from './client/run-client-cell.ts'
import { compare, loadExpectedFailures, type ExpectedFailures } from './expectations.ts'
import { formatHuman, formatJson, type JudgedCell } from './report.ts'
import { runCell, type CellResult } from './run-cell.ts'

const { values } = parseArgs({
  options: {
    /** One JSON line per cell on standard output; everything else goes to standard error. */
    json: { type: 'boolean', default: false },
    /** Only this cell; may be repeated. */
    cell: { type: 'string', multiple: true },
    /** Only the cells in which the gateway is judged as a server; both kinds together mean all, as neither does. */
    server: { type: 'boolean', default: false },
    /** Only the cells in which the gateway is judged as a client. */
    client: { type: 'boolean', default: false },
    /** No gateway: the suite against the fixture, where nothing may fail. */
    direct: { type: 'boolean', default: false },
    /** Keeps the suite's own results in a folder per cell. */
    output: { type: 'string' },
    /** The gateway's program. */
    gateway: { type: 'string', default: fileURLToPath(new URL('../../src/main.ts', import.meta.url)) },
  },
})

// Two: a cell keeps about one core busy, and more only makes the suite's short time limits flaky.
const CELLS_AT_ONCE = 2

class UsageError extends Error {}

type AnyCell =
  | { readonly judged: 'server'; readonly cell: Cell }
  | { readonly judged: 'client'; readonly cell: ClientCell }

function allCells(): readonly AnyCell[] {
  const server = (cell: Cell): AnyCell => ({ judged: 'server', cell })
  if (values.direct) return DIRECT_CELLS.map(server)
  const clients = CLIENT_CELLS.map((cell): AnyCell => ({ judged: 'client', cell }))
  const some = values.server !== values.client
  return [...GATEWAY_CELLS.map(server), ...clients].filter(({ judged }) => !some || values[judged])
}

function chooseCells(): readonly AnyCell[] {
  const cells = allCells()
  const names = cells.map(({ cell }) => cell.name)
  const unknown = values.cell?.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new UsageError(`Unknown cell: ${unknown}. There are: ${names.join(', ')}`)
  return cells.filter(({ cell }) => values.cell?.includes(cell.name) ?? true)
}

/** Runs `work` on all items, some at once; results come in the order of the items. */
async function mapSome<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const queue = items.entries()
  const results: R[] = []
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: CELLS_AT_ONCE }, worker))
  return results
}

function judge(result: CellResult, expected: ExpectedFailures): JudgedCell {
  const verdict = compare(result.suite, expected)
  const ok = result.trouble === undefined && Object.values(verdict).every(({ length }) => length === 0)
  return { ...result, ...verdict, expected, ok }
}

function runAny({ judged, cell }: AnyCell, signal: AbortSignal): Promise<CellResult> {
  const { direct, output, gateway } = values
  return judged === 'client'
    ? runClientCell(cell, { gateway, output, signal })
    : runCell(cell, { gateway: direct ? undefined : gateway, output, signal })
}

async function main(): Promise<number> {
  const interruption = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort())
  const expectedFailures = await loadExpectedFailures(new URL('expected-failures.yml', import.meta.url))
  const started = performance.now()
  const judged = await mapSome(chooseCells(), async (one) => {
    const result = await runAny(one, interruption.signal)
    return judge(result, (values.direct ? undefined : expectedFailures[one.cell.name]) ?? {})
  })
  const human = formatHuman(judged, performance.now() - started)
  if (values.json) {
    console.log(judged.map(formatJson).join('\n'))
    console.error(human)
  } else {
    console.log(human)
  }
  return judged.every(({ ok }) => ok) ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error)
  process.exitCode = 2
}
