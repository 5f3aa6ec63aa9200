/** The dashboard and the alert rules of `deploy/`, held against a scrape of a gateway that has seen everything. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { SYSTEM_PROGRAMS, howToInstall, programForTests } from '../scripts/system-packages.ts'
import { legacyServer, modernServer } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import { gatewayProcess, site } from './language/process.ts'
import { fileScope } from './language/scope.ts'
import { type Scraped, readScrape } from './language/scrape.ts'
import { needsOf } from './support/promql.ts'

const scope = fileScope()
const folder = fileURLToPath(new URL('../deploy/', import.meta.url))

/** A query, and where it stands. */
interface Query {
  readonly place: string
  readonly query: string
}

/** Every text of a scrape of a gateway that had calls of every kind, and is still busy with some. */
async function scrapeOfEverything(): Promise<{ readonly text: string; readonly openMetrics: string }> {
  const good = await modernServer(scope)
  const old = await legacyServer(scope)
  const dying = await modernServer(scope)
  const where = await site(scope, {
    backends: {
      good: { settings: { url: good.url, bulkhead: { calls: 1 }, health: { interval: '50ms' } } },
      old,
      dying: { settings: { url: dying.url, circuitBreaker: { consecutiveFailures: 2 } } },
    },
    admin: { listen: '127.0.0.1:0' },
    gateway: { overload: {}, tools: { health: true, metrics: true } },
    limits: [{ name: 'some', rate: '30/1h' }],
    // Nobody is there: what is measured of a store is measured of one that is away, too.
    store: { url: 'redis://127.0.0.1:9' },
    more: { telemetry: { metrics: { otlp: { endpoint: 'http://127.0.0.1:9', interval: '1s' } } } },
  })
  const running = await gatewayProcess(where)
  scope.after(async () => running[Symbol.asyncDispose]())
  const state = join(dirname(where.file), 'state', 'gateways')
  const [file = ''] = await readdir(state)
  const { admin, token } = JSON.parse(await readFile(join(state, file), 'utf8')) as Record<
    'admin' | 'token',
    string
  >
  const scrape = async (accept: string): Promise<string> =>
    (await fetch(`${admin}/metrics`, { headers: { authorization: `Bearer ${token}`, accept } })).text()
  const sum = async (...[name, labels]: Parameters<Scraped['sum']>): Promise<number> =>
    readScrape(await scrape('text/plain')).sum(name, labels)
  const call = async (name: string) => running.raw.modern('tools/call', { name, arguments: {} })

  for (const name of ['good_echo', 'good_fail', 'old_echo', 'dying_echo', 'nothing']) await call(name)
  const argument = { name: 'a', value: 'b' }
  const unknown = { ref: { type: 'ref/prompt', name: 'p' }, argument }
  await running.raw.modern('completion/complete', unknown, { route: 'good' })
  await running.raw.post('no JSON')
  const client = await running.client('legacy')
  await client.call('old_echo')
  await old.forgetSessions()
  await client.call('old_echo')
  await client.close()
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } }
  const { headers } = await running.raw.post({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
  const session = headers.get('mcp-session-id') ?? ''
  await fetch(running.url, { method: 'DELETE', headers: { 'mcp-session-id': session } })
  await dying.stop()
  for (let n = 0; n < 3; n++) await call('dying_echo')
  const [first, second] = [call('good_wait'), call('good_echo')]
  await eventually(
    'one waits',
    async () => (await sum('toolgate_backend_calls', { toolgate_state: 'waiting' })) === 1,
  )
  good.release()
  await Promise.all([first, second])
  for (let n = 0; n < 40; n++) await call('old_echo')
  await eventually('it is checked', async () => (await sum('toolgate_backend_check_duration_seconds')) > 0)
  await eventually('an export fails', async () => (await sum('toolgate_otlp_exports_total')) > 0)
  await eventually(
    'the store is asked',
    async () => (await sum('toolgate_store_operation_duration_seconds_count')) > 0,
  )
  return { text: await scrape('text/plain'), openMetrics: await scrape('application/openmetrics-text') }
}

async function queries(): Promise<readonly Query[]> {
  const { groups } = parse(await readFile(join(folder, 'prometheus/alerts.yaml'), 'utf8')) as {
    readonly groups: readonly {
      readonly rules: readonly { readonly alert: string; readonly expr: string }[]
    }[]
  }
  const dashboard = JSON.parse(await readFile(join(folder, 'grafana/toolgate.json'), 'utf8')) as {
    readonly panels: readonly {
      readonly title: string
      readonly targets?: readonly { readonly expr: string }[]
    }[]
    readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
  }
  return [
    ...groups.flatMap(({ rules }) =>
      rules.map(({ alert, expr }) => ({ place: `alert ${alert}`, query: expr })),
    ),
    ...dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ place: `panel ${title}`, query: expr })),
    ),
    // `label_values(series, label)`: the label is what the series has to have.
    ...dashboard.templating.list.flatMap(({ name, definition }) => {
      const [, series, label] = /^label_values\((.*), (\w+)\)$/.exec(definition ?? '') ?? []
      return series === undefined
        ? []
        : [{ place: `variable ${name}`, query: `sum by (${label}) (${series})` }]
    }),
  ]
}

/** What Grafana puts in before it asks. */
function filledIn(query: string): string {
  return query
    .replaceAll('$__rate_interval', '5m')
    .replaceAll('$__range', '1h')
    .replaceAll(/\$(instance|backend)\b/g, '.*')
}

/** Prometheus adds these itself. */
const ADDED = new Set(['instance', 'job', 'le'])

/** What a query needs that the scrape does not have. */
function missing({ place, query }: Query, scraped: Scraped): readonly string[] {
  const { selectors, labels } = needsOf(filledIn(query))
  const known = new Set(ADDED)
  const lacking = selectors.flatMap(({ metric, matchers }) => {
    if (metric === 'up') return []
    const samples = scraped.samples(metric)
    if (samples.length === 0) return [`${place}: no ${metric}`]
    for (const sample of samples) for (const label of Object.keys(sample.labels)) known.add(label)
    return matchers.flatMap(({ label, operator, value }) => {
      if (ADDED.has(label)) return []
      const values = new Set(samples.map((sample) => sample.labels[label]))
      const wanted = operator === '=~' ? value.split('|') : [value]
      if (values.size === 1 && values.has(undefined)) return [`${place}: ${metric} has no label ${label}`]
      return wanted
        .filter((one) => one !== '.*' && !values.has(one))
        .map((one) => `${place}: ${label} is never ${one}`)
    })
  })
  return [
    ...lacking,
    ...labels.filter((label) => !known.has(label)).map((label) => `${place}: nothing has ${label}`),
  ]
}

let scraped: { readonly text: string; readonly openMetrics: string }

before(async () => {
  scraped = await scrapeOfEverything()
})

describe('the dashboard and the alert rules', () => {
  test('ask for metrics, labels and values that a scrape has', async () => {
    const all = await queries()
    assert.ok(all.length > 50, 'they were found')
    const read = readScrape(scraped.text)
    assert.deepEqual(
      all.flatMap((one) => missing(one, read)),
      [],
    )
    assert.deepEqual(
      [...readScrape(scraped.openMetrics, 'openmetrics').families.keys()].length,
      read.families.size,
    )
  })

  test('would be missed here if they asked for something else', () => {
    const read = readScrape(scraped.text)
    for (const query of [
      'rate(toolgate_call_total[5m])',
      'toolgate_calls_total{toolgate_backend_name="good"}',
      'toolgate_calls_total{toolgate_outcome=~"failed|error"}',
      'sum by (backend) (rate(toolgate_calls_total{toolgate_outcome!="refuse"}[5m]))',
      'toolgate_memory_usage_bytes / ignoring (kind) toolgate_memory_limit_bytes',
    ])
      assert.notDeepEqual(missing({ place: 'x', query }, read), [], query)
  })

  test('are about every metric that there is', async () => {
    const asked = new Set(
      (await queries()).flatMap(({ query }) => needsOf(query).selectors.map(({ metric }) => metric)),
    )
    const { families } = readScrape(scraped.text)
    const unasked = [...families.values()].filter(({ name, type }) => {
      const names = type === 'histogram' ? [`${name}_bucket`, `${name}_count`] : [name]
      return names.every((one) => !asked.has(one))
    })
    assert.deepEqual(
      unasked.map(({ name }) => name),
      ['toolgate_backend_circuit_open_tools'],
    )
  })
})

const promtool = programForTests(SYSTEM_PROGRAMS.promtool)
const skip = promtool === undefined ? howToInstall(SYSTEM_PROGRAMS.promtool) : false

function accepts(args: readonly string[], input = ''): void {
  const { status, stdout, stderr } = spawnSync(promtool ?? '', args, { input, encoding: 'utf8' })
  assert.equal(status, 0, `${stdout}${stderr}`)
  // `check metrics` only warns of what it does not like.
  assert.doesNotMatch(stderr, /error|warning/i)
}

describe('promtool', { skip }, () => {
  test('accepts the scrape, and finds nothing to complain about', () =>
    accepts(['check', 'metrics'], scraped.text))

  test('accepts the alert rules, and what they do in their tests', () => {
    accepts(['check', 'rules', join(folder, 'prometheus/alerts.yaml')])
    accepts(['test', 'rules', join(folder, 'prometheus/alerts.test.yaml')])
  })

  test('accepts every query of the dashboard', async () => {
    const rules = (await queries()).map(({ query }, index) => ({
      record: `q${index}`,
      expr: filledIn(query),
    }))
    const own = await mkdtemp(join(tmpdir(), 'toolgate-promtool-'))
    try {
      const file = join(own, 'queries.yaml')
      // YAML is a superset of JSON.
      await writeFile(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }))
      accepts(['check', 'rules', file])
      await writeFile(
        file,
        JSON.stringify({ groups: [{ name: 'x', rules: [{ record: 'q', expr: 'sum by (' }] }] }),
      )
      assert.throws(() => accepts(['check', 'rules', file]))
    } finally {
      await rm(own, { recursive: true })
    }
  })

  test('tests every alert', async () => {
    const rules = await readFile(join(folder, 'prometheus/alerts.yaml'), 'utf8')
    const tests = await readFile(join(folder, 'prometheus/alerts.test.yaml'), 'utf8')
    const names = [...rules.matchAll(/alert: (\w+)/g)].map(([, name = '']) => name)
    assert.deepEqual(
      names.filter((name) => !tests.includes(`alertname: ${name}`)),
      [],
    )
  })
})
