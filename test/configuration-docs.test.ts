// One source for what is accepted, what editors know and what is written down: the schema that checks the file.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { currentPages } from '../scripts/docs-pages.ts'
import { schemaPaths } from '../scripts/settings-tables.ts'
import { type JsonSchema, configJsonSchema, overlayJsonSchema } from '../src/config/json-schema.ts'
import { parseConfig } from '../src/config/load.ts'
import { fileSchema } from '../src/config/schema.ts'

/** The keys that the validator accepts, asked of itself and not of the JSON Schema made from it. */
function acceptedPaths(schema: z.core.$ZodType, path = ''): readonly string[] {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'object':
      return Object.entries(def.shape).flatMap(([key, member]) => {
        const here = path === '' ? key : `${path}.${key}`
        return [here, ...acceptedPaths(member, here)]
      })
    case 'record':
      return acceptedPaths(def.valueType, `${path}.*`)
    case 'array':
      return acceptedPaths(def.element, `${path}[]`)
    case 'union':
      return def.options.flatMap((option) => acceptedPaths(option, path))
    case 'pipe':
      return [...acceptedPaths(def.in, path), ...acceptedPaths(def.out, path)]
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
      return acceptedPaths(def.innerType, path)
    default:
      return []
  }
}

const accepted = new Set(acceptedPaths(fileSchema).filter((path) => path !== 'environments'))

/** The settings that a page has in its tables, with the path of the table in front. */
function writtenPaths(page: string): readonly string[] {
  const tables = page.matchAll(/<!-- settings: (\S+) -->\n([\s\S]*?)<!-- end of settings -->/g)
  return [...tables].flatMap(([, path = '', table = '']) => {
    let own = path
    return table.split('\n').flatMap((line) => {
      // The table of the rest begins each section with its name.
      own = /^### `(\S+)`$/.exec(line)?.[1] ?? own
      const setting = /^\| `([^`]+)`/.exec(line)?.[1]
      return setting === undefined ? [] : [`${own}.${setting}`]
    })
  })
}

suite('the settings of a configuration', () => {
  test('are many, so that these tests see something', () => {
    assert.ok(accepted.size > 200)
    for (const path of [
      'gateway.limits.body',
      'backends.*.url',
      'limits[].rate',
      'auth.issuers[].claims.scopes',
    ])
      assert.ok(accepted.has(path), path)
  })

  test('are the same for the validator and in the JSON Schema', () => {
    assert.deepEqual([...accepted].toSorted(), [...new Set(schemaPaths())].toSorted())
  })

  test('are all in docs/configuration.md', async () => {
    const page = await readFile(new URL('../docs/configuration.md', import.meta.url), 'utf8')
    const written = new Set(writtenPaths(page))
    const missing = [...accepted].filter((path) => path.includes('.') && !written.has(path))
    assert.deepEqual(missing, [], 'npm run docs writes the tables')
    assert.deepEqual(
      [...written].filter((path) => !accepted.has(path)),
      [],
    )
  })

  test('stand in docs/ as npm run docs would write them', async () => {
    for (const { name, text, expected } of await currentPages())
      assert.equal(text, expected, `docs/${name} is not up to date: npm run docs`)
  })
})

suite('the JSON Schema', () => {
  const schema = configJsonSchema()
  const checkers = { file: z.fromJSONSchema(schema), overlay: z.fromJSONSchema(overlayJsonSchema()) }
  const accepts = (value: unknown, of: 'file' | 'overlay' = 'file'): boolean =>
    checkers[of].safeParse(value).success

  const partial = {
    gateway: { limits: { body: '1MiB' } },
    backends: { a: { timeout: '5s', headers: { X: null } }, b: null },
  }

  test('knows environments, whole, partial and in short', () => {
    for (const environment of [
      null,
      {},
      { github: 'https://mcp-github.prod.internal', database: '${DATABASE_URL}' },
      partial,
      { auth: null, limits: 'off', gateway: { overload: 'off', bulkhead: { calls: 5 } } },
    ]) {
      assert.ok(accepts({ environments: { production: environment } }), JSON.stringify(environment))
      const text = JSON.stringify({
        backends: { a: 'http://a', b: 'http://b' },
        environments: { production: environment },
      })
      const result = parseConfig(
        { name: 'x.json', text, dir: '/' },
        { DATABASE_URL: 'http://d' },
        { environment: 'production' },
      )
      assert.ok(result.ok, JSON.stringify(result))
    }
  })

  test('accepts the example', async () => {
    const example = new URL('../examples/environments/toolgate.yaml', import.meta.url)
    assert.ok(accepts(parse(await readFile(example, 'utf8'))))
  })

  test('refuses in environments what the loader refuses', () => {
    for (const environment of [
      { gatway: {} },
      { github: 7 },
      { gateway: { listn: 'x' } },
      { store: 'https://x' },
      { environments: {} },
      { backends: { a: { timeout: 5 } } },
      [],
    ]) {
      assert.ok(!accepts({ environments: { production: environment } }), JSON.stringify(environment))
      const text = JSON.stringify({ backends: { a: 'http://a' }, environments: { production: environment } })
      const result = parseConfig({ name: 'x.json', text, dir: '/' }, {}, { environment: 'production' })
      assert.ok(!result.ok, JSON.stringify(environment))
    }
    assert.ok(!accepts({ environments: { 'a b': {} } }))
  })

  test('has a form for files that are laid over others', () => {
    assert.ok(accepts(partial, 'overlay'))
    assert.ok(!accepts(partial))
    assert.ok(!accepts({ gateway: { listn: 'x' } }, 'overlay'))
    assert.ok(accepts({ environments: { production: { a: 'http://a' } } }, 'overlay'))
  })

  test('describes items of lists too', () => {
    const undescribed: string[] = []
    const visit = (node: JsonSchema, path: string): void => {
      const members = Object.entries((node['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>)
      for (const [key, member] of members) {
        if (!('description' in member)) undescribed.push(`${path}.${key}`)
        visit(member, `${path}.${key}`)
      }
      for (const each of (node['anyOf'] ?? []) as readonly JsonSchema[]) visit(each, path)
      for (const each of [node['items'], node['additionalProperties']])
        if (typeof each === 'object' && each !== null) visit(each as JsonSchema, `${path}[]`)
    }
    visit(schema, '')
    assert.deepEqual(undescribed, [])
  })
})
