/** docs/observability.md lists every metric as it is, and every attribute. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { METRICS, prometheusName } from '../../src/telemetry/metrics/definitions.ts'

const page = await readFile(new URL('../../docs/observability.md', import.meta.url), 'utf8')

/** Rows of the tables of a chapter, with the cells as they are written. */
const rows = (heading: string): readonly (readonly string[])[] => {
  const [, chapter = ''] = page.split(`\n${heading}\n`)
  const [own = ''] = chapter.split(/\n##+ /)
  return own
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

const quoted = (text: string): readonly string[] =>
  [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)

test('the page lists every metric by its names, kind, attributes and meaning', () => {
  const wanted = Object.values(METRICS).map((one) => [
    `\`${one.name}\``,
    `\`${prometheusName(one)}${one.kind === 'counter' ? '_total' : ''}\``,
    one.kind,
    one.attributes.map((attribute) => `\`${attribute}\``).join(', '),
    one.description,
  ])
  assert.deepEqual(rows('### Every metric'), wanted)
})

test('the page says what every attribute can be', () => {
  const described = new Set(rows('### Attributes').flatMap(([names = '']) => quoted(names)))
  const all = new Set(Object.values(METRICS).flatMap(({ attributes }) => attributes))
  all.delete('version')
  assert.deepEqual([...described].toSorted(), [...all].toSorted())
})
