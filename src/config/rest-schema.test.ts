import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { configJsonSchema } from './json-schema.ts'
import { parseConfig } from './load.ts'

const checker = z.fromJSONSchema(configJsonSchema())

function read(crm: unknown) {
  const result = parseConfig({ name: 't.yaml', text: JSON.stringify({ backends: { crm } }), dir: '/' }, {})
  if (!result.ok) return result.problems.map(({ path, message }) => `${path}: ${message}`)
  const [backend] = result.config.backends
  return backend?.transport === 'rest' ? backend : undefined
}

test('a URL is enough: the service is asked for its tools', () => {
  const written = { rest: { url: 'http://crm/api' } }
  assert.ok(checker.safeParse({ backends: { crm: written } }).success)
  const backend = read(written)
  assert.ok(backend !== undefined && 'transport' in backend)
  const { transport, url, tools, refresh, timeout, resilience, health } = backend
  assert.deepEqual(
    { transport, url, tools, refresh, timeout, trusts: resilience.trustAnnotations },
    {
      transport: 'rest',
      url: 'http://crm/api',
      tools: undefined,
      refresh: 60_000,
      timeout: 30_000,
      trusts: false,
    },
  )
  assert.equal(health?.interval, 30_000)
})

test('tools are declared as MCP describes them, and what is said of them is believed', () => {
  const inputSchema = { type: 'object', properties: { subject: { type: 'string' } } }
  const annotations = { readOnlyHint: true }
  const written = {
    rest: {
      url: ['http://a', 'http://b'],
      tools: {
        create_ticket: { title: 'T', description: 'D', inputSchema, outputSchema: { type: 'array' } },
        'list/all': { annotations },
      },
    },
    headers: { 'X-Key': 'k' },
    balance: 'weighted',
    transport: 'rest',
  }
  assert.ok(checker.safeParse({ backends: { crm: written } }).success)
  const backend = read(written)
  assert.ok(backend !== undefined && 'transport' in backend)
  assert.deepEqual(JSON.parse(JSON.stringify(backend.tools)), [
    { name: 'create_ticket', title: 'T', description: 'D', inputSchema, outputSchema: { type: 'array' } },
    { name: 'list/all', inputSchema: { type: 'object' }, annotations },
  ])
  assert.equal(backend.resilience.trustAnnotations, true)
  assert.equal(backend.endpoints?.list.length, 2)
  assert.deepEqual(backend.headers, { 'X-Key': 'k' })
})

test('what is wrong is said where it is, and no URL is repeated', () => {
  const wrong: readonly (readonly [unknown, readonly string[]])[] = [
    [{ rest: {} }, ['backends.crm.rest.url: missing: expected an http:// or https:// URL']],
    [
      { rest: { url: 'ftp://s3cret' } },
      ['backends.crm.rest.url: expected an http:// or https:// URL; found text'],
    ],
    [
      { rest: { url: ['http://a', 'http://a'] } },
      ['backends.crm.rest.url[1]: the same URL as another endpoint of this backend'],
    ],
    [
      { rest: { url: 'http://a', tools: { '../x': {} } } },
      [
        'backends.crm.rest.tools."../x": expected a name of 1 to 128 visible ASCII characters, without . or .. as a step of a path',
      ],
    ],
    [
      { rest: { url: 'http://a', tools: { x: { inputSchema: { type: 'array' } } } } },
      ['backends.crm.rest.tools.x.inputSchema: expected a JSON Schema with type: object; found a mapping'],
    ],
    [
      { rest: { url: 'http://a', tools: { x: { descripton: 'D' } } } },
      [
        'backends.crm.rest.tools.x.descripton: unknown setting; known here: title, description, inputSchema, outputSchema, annotations',
      ],
    ],
    [
      { rest: { url: 'http://a' }, url: 'http://b' },
      ['backends.crm.url: a backend has either a url (http) or rest, not both'],
    ],
    [
      { rest: { url: 'http://a' }, command: 'x' },
      ['backends.crm.command: a backend has either a command (stdio) or rest, not both'],
    ],
    [
      { rest: { url: 'http://a' }, era: 'legacy' },
      ['backends.crm.era: belongs to a backend with a url (http), but it has rest'],
    ],
    [{ transport: 'rest' }, ['backends.crm.rest: missing: a backend with transport rest needs rest']],
  ]
  for (const [written, problems] of wrong) assert.deepEqual(read(written), problems, JSON.stringify(written))
})
