/** Reads what `/metrics` answers, as Prometheus does: strictly, and without anything of the gateway's own. */
import assert from 'node:assert/strict'

/** One line of a scrape. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What belongs to one `# TYPE`. */
export interface ScrapedFamily {
  readonly name: string
  readonly type: string
  readonly help: string
  /** Only OpenMetrics says it. */
  readonly unit: string | undefined
  readonly samples: readonly Sample[]
}

/** A scrape that was read. */
export interface Scraped {
  readonly families: ReadonlyMap<string, ScrapedFamily>
  /** Every sample of that name whose labels include these. */
  readonly samples: (name: string, labels?: Readonly<Record<string, string>>) => readonly Sample[]
  /** The sum of their values; 0 where there is none. */
  readonly sum: (name: string, labels?: Readonly<Record<string, string>>) => number
}

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
}

/**
 * Reads a scrape in Prometheus text 0.0.4 or OpenMetrics 1.0.
 *
 * @throws AssertionError for what either forbids: a name that does not belong to its family, a series that is there twice,
 * buckets that shrink, families that are not together, a missing end
 */
export function readScrape(text: string, format: 'text' | 'openmetrics' = 'text'): Scraped {
  const families = new Map<string, { family: ScrapedFamily; samples: Sample[] }>()
  const seen = new Set<string>()
  const lines = text.split('\n')
  assert.equal(lines.pop(), '', 'the last line ends')
  if (format === 'openmetrics') assert.equal(lines.pop(), '# EOF')
  let meta: { help?: string; unit?: string } = {}
  let current: { family: ScrapedFamily; samples: Sample[] } | undefined
  for (const line of lines) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE|UNIT) (\S+) (.*)$/.exec(line) ?? []
    if (keyword === 'HELP') meta = { help: rest }
    else if (keyword === 'TYPE' || keyword === 'UNIT') {
      if (keyword === 'UNIT') assert.ok(current?.family.name === name && name.endsWith(`_${rest}`), line)
      else assert.ok(!families.has(name), `${name} comes twice`)
      const samples: Sample[] = []
      const type = keyword === 'UNIT' ? (current?.family.type ?? '') : rest
      const unit = keyword === 'UNIT' ? rest : undefined
      current = { family: { name, type, help: meta.help ?? '', unit, samples }, samples }
      families.set(name, current)
    } else {
      assert.ok(current !== undefined, `a sample before any family: ${line}`)
      current.samples.push(sampleOf(line, current.family, { format, seen }))
    }
  }
  for (const { family } of families.values()) if (family.type === 'histogram') checkHistogram(family)
  const all = [...families.values()].flatMap(({ samples }) => samples)
  const matching = (name: string, labels: Readonly<Record<string, string>> = {}): readonly Sample[] =>
    all.filter(
      (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    )
  return {
    families: new Map([...families].map(([name, { family }]) => [name, family])),
    samples: matching,
    sum: (name, labels) => matching(name, labels).reduce((sum, { value }) => sum + value, 0),
  }
}

interface Reading {
  readonly format: 'text' | 'openmetrics'
  readonly seen: Set<string>
}

function sampleOf(line: string, family: ScrapedFamily, { format, seen }: Reading): Sample {
  const [, name = '', inner = '', written = ''] =
    /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? assert.fail(line)
  const base =
    format === 'text' && family.type === 'counter' ? family.name.replace(/_total$/, '') : family.name
  const names = (SUFFIXES[family.type] ?? assert.fail(`type ${family.type}`)).map((suffix) => base + suffix)
  assert.ok(names.includes(name), `${name} does not belong to the ${family.type} ${family.name}`)
  const labels = labelsIn(inner, line)
  const series = `${name} ${Object.keys(labels)
    .toSorted()
    .map((label) => JSON.stringify([label, labels[label]]))
    .join()}`
  assert.ok(!seen.has(series), `the series is there twice: ${line}`)
  seen.add(series)
  const value = written === '+Inf' ? Infinity : Number(written)
  assert.ok(!Number.isNaN(value), line)
  return { name, labels, value }
}

function labelsIn(text: string, line: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {}
  let rest = text
  while (rest !== '') {
    const [all, name = '', value = ''] =
      /^([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=.)|$)/.exec(rest) ?? assert.fail(line)
    assert.ok(!Object.hasOwn(labels, name), `${name} twice: ${line}`)
    labels[name] = value.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char))
    rest = rest.slice(all.length)
  }
  return labels
}

/** Cumulative buckets that only grow, end with everything, and agree with the count. */
function checkHistogram({ name, samples }: ScrapedFamily): void {
  const bySeries = Map.groupBy(samples, ({ labels }) => JSON.stringify({ ...labels, le: undefined }))
  for (const [series, own] of bySeries) {
    const buckets = own.filter((one) => one.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels }) => (labels['le'] === '+Inf' ? Infinity : Number(labels['le'])))
    const sorted = bounds.every((bound, index) => index === 0 || bound > (bounds[index - 1] ?? 0))
    const grows = buckets.every(
      ({ value }, index) => index === 0 || value >= (buckets[index - 1]?.value ?? 0),
    )
    const count = own.find((one) => one.name === `${name}_count`)?.value
    assert.ok(sorted && grows && bounds.at(-1) === Infinity, `the buckets of ${name}${series}`)
    assert.equal(buckets.at(-1)?.value, count, `the count of ${name}${series}`)
  }
}
