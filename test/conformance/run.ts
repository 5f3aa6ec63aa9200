// The official conformance suite, in every cell of client era × server era, through the gateway.
// Usage: node test/conformance/run.ts [--json] [--cell modern-modern]... [--direct] [--output dir] [--gateway program]
// Exit code 1 when a cell is not as `expected-failures.yml` says, 2 when the run itself is wrong.
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { DIRECT_CELLS, GATEWAY_CELLS, type Cell } from './cells.ts'
import { compare, loadExpectedFailures, type ExpectedFailures } from './expectations.ts'
import { formatHuman, formatJson, type JudgedCell } from './report.ts'
import { runCell, type CellResult } from './run-cell.ts'

const { values } = parseArgs({
  options: {
    /** One JSON line per cell on standard output; everything else goes to standard error. */
    json: { type: 'boolean', default: false },
    /** Only this cell; may be repeated. */
    cell: { type: 'string', multiple: true },
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

function chooseCells(): readonly Cell[] {
  const cells = values.direct ? DIRECT_CELLS : GATEWAY_CELLS
  const names = cells.map(({ name }) => name)
  const unknown = values.cell?.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new UsageError(`Unknown cell: ${unknown}. There are: ${names.join(', ')}`)
  return cells.filter(({ name }) => values.cell?.includes(name) ?? true)
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
  const { unexpected, stale } = compare(result.suite.required, expected)
  const ok = result.trouble === undefined && unexpected.length === 0 && stale.length === 0
  return { ...result, expected, unexpected, stale, ok }
}

async function main(): Promise<number> {
  const interruption = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort())
  const expectedFailures = await loadExpectedFailures(new URL('expected-failures.yml', import.meta.url))
  const started = performance.now()
  const judged = await mapSome(chooseCells(), async (cell) => {
    const gateway = values.direct ? undefined : values.gateway
    const result = await runCell(cell, { gateway, output: values.output, signal: interruption.signal })
    return judge(result, (values.direct ? undefined : expectedFailures[cell.name]) ?? {})
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
