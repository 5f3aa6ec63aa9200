import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { configJsonSchema } from './json-schema.ts'
import { parseConfig } from './load.ts'

const schema = configJsonSchema()
const checker = z.fromJSONSchema(schema)

const accepts = (value: unknown): boolean => checker.safeParse(value).success

test('the quickstart and the examples of the documentation are valid', async () => {
  const quickstart = new URL('../../examples/quickstart/toolgate.yaml', import.meta.url)
  assert.ok(accepts(parse(await readFile(quickstart, 'utf8'))))
  const pages = ['configuration', 'auth', 'rest', 'observability'].map(async (name) =>
    readFile(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8'),
  )
  const examples = (await Promise.all(pages)).flatMap((page) =>
    [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text ?? ''),
  )
  assert.ok(examples.length > 0)
  const { publicKey } = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { format: 'pem', type: 'spki' },
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
  })
  const [key, old] = [1, 2].map(() => randomBytes(32).toString('base64url'))
  const env = {
    GITHUB_TOKEN: 't',
    CRM_TOKEN: 't',
    CI_PUBLIC_KEY: publicKey,
    KEY: 'k',
    PORT: '8080',
    INTROSPECTION_SECRET: 's',
    SEALING_KEY: key,
    OLD_SEALING_KEY: old,
    SCRAPE_TOKEN: 'a-token-for-prometheus',
    COLLECTOR_KEY: 'k',
  }
  for (const text of examples) {
    assert.ok(accepts(parse(text)), text)
    const result = parseConfig({ name: 'toolgate.yaml', text, dir: '/' }, env)
    assert.ok(result.ok, result.ok ? '' : JSON.stringify(result.problems))
  }
})

test('every form of a backend is accepted, references included', () => {
  for (const backend of [
    'http://a/mcp',
    '${URL}',
    { url: 'http://a/mcp', timeout: '${T}', connections: '${C}' },
    { command: 'x', args: ['y'], env: { A: 'b' }, cwd: '.', transport: 'stdio', era: 'legacy' },
  ]) {
    assert.ok(accepts({ backends: { a: backend } }), JSON.stringify(backend))
  }
})

test('what the loader refuses is refused by the schema too, as far as a schema can say it', () => {
  for (const value of [
    { backends: { a: { url: 'http://a', command: 'b' } } },
    { backends: { a: { url: 'http://a', timeout: 30 } } },
    { backends: { 'a b': 'http://a' } },
    { backends: { a: 'ftp://a' } },
    { backends: {}, gateway: { listn: 'x' } },
    { backends: {}, gateway: { names: 'other' } },
    { backends: {}, admin: true },
    { backends: {}, log: { level: 'loud' } },
  ]) {
    assert.ok(!accepts(value), JSON.stringify(value))
  }
})

test('every setting is described', () => {
  const undescribed: string[] = []
  const visit = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return
    const { properties, anyOf, additionalProperties } = node as Record<string, unknown>
    for (const [name, child] of Object.entries((properties ?? {}) as Record<string, object>)) {
      if (!('description' in child)) undescribed.push(`${path}.${name}`)
      visit(child, `${path}.${name}`)
    }
    for (const child of Array.isArray(anyOf) ? anyOf : []) visit(child, path)
    visit(additionalProperties, path)
  }
  visit(schema, '')
  assert.deepEqual(undescribed, [])
  assert.equal(schema['$schema'], 'https://json-schema.org/draft/2020-12/schema')
})
