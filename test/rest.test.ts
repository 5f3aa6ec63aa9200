/** Services over plain HTTP behind the gateway, as the gateway pattern has them. */
import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { describe, test } from 'node:test'
import { createVerifier } from '../src/signing/index.ts'
import { GENERATIONS } from './language/client.ts'
import { type House, type HouseOptions, gateway } from './language/house.ts'
import { eventually } from './language/journal.ts'
import type { RpcResult } from './language/raw.ts'
import { type RestServer, answering, restServer } from './language/rest-server.ts'
import { type Scope, scopeOf } from './language/scope.ts'

const TOOLS = {
  create_ticket: {
    title: 'Create a ticket',
    description: 'Opens a ticket for a customer.',
    inputSchema: {
      type: 'object',
      properties: { subject: { type: 'string' } },
      required: ['subject'],
    },
    outputSchema: { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] },
  },
  list_customers: { annotations: { readOnlyHint: true } },
}

const crm = (one: RestServer, more: object = {}, rest: object = { tools: TOOLS }) => ({
  settings: { rest: { url: one.url, ...rest }, ...more },
})

async function house(scope: Scope, options: HouseOptions): Promise<House> {
  const built = await gateway(options)
  scope.after(async () => built.close())
  return built
}

const call = async (one: House, name: string, args?: object, route?: string): Promise<RpcResult> => {
  const params = { name, ...(args === undefined ? {} : { arguments: args }) }
  const { response } = await one.raw.modern('tools/call', params, route === undefined ? {} : { route })
  assert.ok(response.result !== undefined, JSON.stringify(response.error))
  return response.result
}

const textOf = (result: RpcResult): string => {
  const [block] = result['content'] as readonly { readonly text: string }[]
  return block?.text ?? ''
}

describe('a service over plain HTTP', () => {
  for (const generation of GENERATIONS) {
    test(`has tools for a client of the generation ${generation}`, async (t) => {
      const service = await restServer(
        scopeOf(t),
        answering({ create_ticket: { body: '{"id":7}' }, list_customers: { body: '[{"name":"Ada"}]' } }),
      )
      const one = await house(scopeOf(t), { backends: { 'legacy-crm': crm(service) } })
      for (const route of [undefined, 'legacy-crm']) {
        const client = await one.client(generation, route === undefined ? {} : { route })
        const prefix = route === undefined ? 'legacy-crm_' : ''
        const names = (await client.tools()).map(({ name }) => name)
        assert.deepEqual(names, [`${prefix}create_ticket`, `${prefix}list_customers`])
        const made = await client.call(`${prefix}create_ticket`, { subject: 'help' })
        assert.deepEqual([made.text, made.isError], ['{"id":7}', false])
        const listed = await client.call(`${prefix}list_customers`)
        assert.deepEqual([listed.text, listed.isError], ['[{"name":"Ada"}]', false])
      }
      const [first, second] = service.calls()
      assert.deepEqual(
        [first?.method, first?.path, first?.body],
        ['POST', '/tools/create_ticket', '{"subject":"help"}'],
      )
      assert.equal(first?.headers['content-type'], 'application/json')
      assert.equal(second?.body, '{}')
      assert.equal(one.gateway.report()[0]?.transport, 'rest')
    })
  }
})

describe('what is sent', () => {
  test('is to the byte what the client wrote, with the headers and the query that are configured', async (t) => {
    const service = await restServer(scopeOf(t), answering({ create_ticket: { body: '1' } }))
    const settings = {
      rest: { url: `${service.url}/?key=k1`, tools: TOOLS },
      headers: { 'X-Api-Key': 's3cret' },
    }
    const one = await house(scopeOf(t), { backends: { crm: { settings } } })
    const args = '{ "subject" : "\\u0068\u00e4", "n": 12345678901234567890.10, "big":1E400,"neg": -0.0 }'
    const meta =
      '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
    await one.raw.post(
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"crm_create_ticket","arguments":${args},"_meta":${meta}}}`,
      {
        headers: {
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': 'tools/call',
          'mcp-name': 'crm_create_ticket',
        },
      },
    )
    const [sent] = service.calls()
    assert.deepEqual([sent?.path, sent?.body], ['/tools/create_ticket?key=k1', args])
    assert.equal(sent?.headers['x-api-key'], 's3cret')
    assert.match(String(sent?.headers['user-agent']), /^toolgate\//)
    assert.equal(sent?.headers['mcp-method'], undefined)
  })

  test('is signed where that is configured, health checks too', async (t) => {
    const key = createSecretKey('a secret of the gateway and its service', 'utf8')
    const verify = createVerifier({ keyOf: () => ({ algorithm: 'hmac-sha256', key }) })
    const verdicts: string[] = []
    const service = await restServer(scopeOf(t), (seen) => {
      const { method, headers, body, path } = seen
      const url = new URL(`http://${String(headers['host'])}${path}`)
      const verdict = verify({ method, url, headers, body })
      verdicts.push(verdict.kind === 'valid' ? method : verdict.reason)
      return answering({ create_ticket: { body: '{}' } })({ ...seen, path: path.replace('//inner', '') })
    })
    const signing = { key: 'a secret of the gateway and its service', keyId: 'g' }
    const one = await house(scopeOf(t), { backends: { crm: crm(service, { signing }) } })
    await call(one, 'crm_create_ticket', { subject: 'ä' })
    assert.deepEqual(verdicts, ['GET', 'POST'])
    // Where a path begins like the address of another server.
    const inner = { ...service, url: `${service.url}//inner` }
    const other = await house(scopeOf(t), { backends: { crm: crm(inner, { signing }) } })
    await call(other, 'crm_create_ticket', { subject: 'ä' })
    assert.deepEqual(verdicts, ['GET', 'POST', 'GET', 'POST'])
  })

  test('stays one segment of the path, whatever a tool is called', async (t) => {
    const names = ['a/b', '50%', 'x?y#z', '..', 'a/../../admin', 'zero\u200bwidth', 'häuser']
    const service = await restServer(scopeOf(t), (seen) => {
      if (seen.path === '/tools')
        return { body: JSON.stringify(names.map((name) => ({ name, inputSchema: { type: 'object' } }))) }
      return seen.method === 'POST' ? { body: '{}' } : undefined
    })
    const one = await house(scopeOf(t), { backends: { crm: crm(service, {}, {}) } })
    const { response } = await one.raw.modern('tools/list', {}, { route: 'crm' })
    const listed = response.result?.tools?.map(({ name }) => name) ?? []
    assert.deepEqual(listed, ['a/b', '50%', 'x?y#z', 'häuser'])
    for (const name of listed.slice(0, 3)) await call(one, name, {}, 'crm')
    assert.deepEqual(
      service.calls().map(({ path }) => path),
      ['/tools/a%2Fb', '/tools/50%25', '/tools/x%3Fy%23z'],
    )
    const left = one.log.entries.find(({ message }) => message === 'left out of the list')
    assert.deepEqual([left?.fields['backend'], left?.fields['count']], ['crm', 3])
  })
})

describe('what comes back', () => {
  const KINDS = {
    object: { body: '{"n": 1.10, "big":12345678901234567890}' },
    list: { body: ' [1,2] ' },
    number: { body: '12345678901234567890' },
    nothing: { body: 'null' },
    marked: { body: '\ufeff{"a":1}' },
    problem: { type: 'application/hal+json; charset=utf-8', body: '{"a":1}' },
    words: { type: 'text/plain; charset=utf-8', body: 'häuser\n' },
    latin: { type: 'text/csv; charset=ISO-8859-1', body: Buffer.from('ä,b', 'latin1') },
    page: { type: 'text/html', body: '<p>hi</p>' },
    xml: { type: 'application/xml', body: '<a/>' },
    empty: { status: 204 },
    blank: { status: 201, body: '' },
    picture: { type: 'image/png', body: Buffer.from([1, 2, 3]) },
    sound: { type: 'audio/wav', body: Buffer.from([4]) },
    document: { type: 'application/pdf', body: 'PDF' },
  }
  const EXPECTED: Readonly<Record<keyof typeof KINDS, readonly [content: object, structured?: string]>> = {
    object: [{ type: 'text', text: '{"n": 1.10, "big":12345678901234567890}' }, KINDS.object.body],
    list: [{ type: 'text', text: ' [1,2] ' }, '[1,2]'],
    number: [{ type: 'text', text: '12345678901234567890' }, '12345678901234567890'],
    nothing: [{ type: 'text', text: 'null' }, 'null'],
    marked: [{ type: 'text', text: '{"a":1}' }, '{"a":1}'],
    problem: [{ type: 'text', text: '{"a":1}' }, '{"a":1}'],
    words: [{ type: 'text', text: 'häuser\n' }],
    latin: [{ type: 'text', text: 'ä,b' }],
    page: [{ type: 'text', text: '<p>hi</p>' }],
    xml: [{ type: 'text', text: '<a/>' }],
    empty: [{ type: 'text', text: '' }],
    blank: [{ type: 'text', text: '' }],
    picture: [{ type: 'image', data: 'AQID', mimeType: 'image/png' }],
    sound: [{ type: 'audio', data: 'BA==', mimeType: 'audio/wav' }],
    document: [
      {
        type: 'text',
        text: 'Backend crm answered with application/pdf, which cannot be shown here. The call was carried out; ask for JSON or text if the tool has a choice.',
      },
    ],
  }

  test('is content of its kind, and JSON also structured, to the byte', async (t) => {
    const service = await restServer(scopeOf(t), answering(KINDS))
    const tools = Object.fromEntries(Object.keys(KINDS).map((name) => [name, {}]))
    const one = await house(scopeOf(t), { backends: { crm: crm(service, {}, { tools }) } })
    for (const name of Object.keys(KINDS) as (keyof typeof KINDS)[]) {
      const { text } = await modernText(one, `crm_${name}`)
      const [content, structured] = EXPECTED[name]
      const { result } = JSON.parse(text) as { readonly result: RpcResult }
      assert.deepEqual(result['content'], [content], name)
      assert.equal(result['isError'], name === 'document' ? true : undefined, name)
      if (structured === undefined) assert.ok(!('structuredContent' in result), name)
      else assert.ok(text.includes(`"structuredContent":${structured}`), text)
    }
  })

  test('wraps what is no object for clients that know nothing else', async (t) => {
    const service = await restServer(scopeOf(t), answering({ list_customers: { body: '[1]' } }))
    const one = await house(scopeOf(t), { backends: { crm: crm(service) } })
    const session = await one.raw.post({
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'raw', version: '1' },
      },
    })
    const headers = { 'mcp-session-id': session.headers.get('mcp-session-id') ?? '' }
    const params = { name: 'crm_list_customers', arguments: {} }
    const { response } = await one.raw.post(
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params },
      { headers },
    )
    assert.deepEqual(response.result?.['structuredContent'], { result: [1] })
  })

  test('is a refusal that the model can read, where the service refused the call', async (t) => {
    const secret = 'http://10.0.0.7/internal?token=s3cret'
    const service = await restServer(
      scopeOf(t),
      answering({
        a: { status: 422, body: '{"error":"subject is required"}' },
        b: { status: 404, type: 'text/html', body: `<p>${secret}</p>` },
        c: { status: 403, body: `{"error":"${secret}"}` },
        d: { status: 500, body: `{"error":"${secret}"}` },
        e: { status: 429 },
        f: { status: 400, type: 'text/plain', body: 'x'.repeat(9000) },
      }),
    )
    const tools = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, {}]))
    const one = await house(scopeOf(t), { backends: { crm: crm(service, {}, { tools }) } })
    const told: string[] = []
    for (const name of Object.keys(tools)) {
      const result = await call(one, `crm_${name}`, {})
      assert.equal(result['isError'], true)
      assert.ok(!JSON.stringify(result).includes('s3cret'))
      told.push(textOf(result))
    }
    assert.deepEqual(told, [
      'Backend crm refused the call with HTTP 422: {"error":"subject is required"}\nCorrect the arguments before you call again.',
      'Backend crm refused the call with HTTP 404. What the arguments name is not there, or the service has no such tool.',
      "Backend crm does not accept the gateway's credentials (HTTP 403). Nothing was carried out, and calling again does not help: the operator has to see to it.",
      'Backend crm failed with HTTP 500. It is not known whether the call was carried out: find out before you call again.',
      'Backend crm is overloaded (HTTP 429). Nothing was carried out: call again later.',
      `Backend crm refused the call with HTTP 400: ${'x'.repeat(2000)}…\nCorrect the arguments before you call again.`,
    ])
    assert.equal(one.gateway.report()[0]?.circuit, 'closed')
  })
})

describe('a service that fails', () => {
  test('opens its circuit, is left alone, and is tried again', async (t) => {
    let status = 503
    const service = await restServer(scopeOf(t), answering({ create_ticket: () => ({ status, body: '{}' }) }))
    const circuitBreaker = { consecutiveFailures: 3, openFor: '50ms', probes: 1 }
    const one = await house(scopeOf(t), { backends: { crm: crm(service, { circuitBreaker }) } })
    for (let times = 0; times < 3; times++)
      assert.match(textOf(await call(one, 'crm_create_ticket', {})), /overloaded \(HTTP 503\)/)
    const refused = await call(one, 'crm_create_ticket', {})
    assert.equal(
      textOf(refused),
      'Backend crm failed too often and is left alone for a moment. Nothing was carried out: call again in 1 s.',
    )
    const { code, outcome, retryable } = refused._meta?.['io.toolgate/error'] ?? {}
    assert.deepEqual([code, outcome, retryable], ['CIRCUIT_OPEN', 'not-executed', true])
    assert.equal(service.calls().length, 3)
    status = 200
    await eventually(
      'it is served again',
      async () => (await call(one, 'crm_create_ticket', {}))['isError'] !== true,
    )
  })

  test('opens no circuit by refusing calls', async (t) => {
    const service = await restServer(scopeOf(t), answering({ create_ticket: { status: 400 } }))
    const circuitBreaker = { consecutiveFailures: 2 }
    const one = await house(scopeOf(t), { backends: { crm: crm(service, { circuitBreaker }) } })
    for (let times = 0; times < 5; times++) await call(one, 'crm_create_ticket', {})
    assert.equal(service.calls().length, 5)
  })

  test('is asked again only for what may run twice: what the operator says of a tool is believed', async (t) => {
    const failing = { status: 500 }
    const service = await restServer(
      scopeOf(t),
      answering({ create_ticket: failing, list_customers: failing }),
    )
    const one = await house(scopeOf(t), { backends: { crm: crm(service, { retry: { backoff: '1ms' } }) } })
    await call(one, 'crm_create_ticket', {})
    await call(one, 'crm_list_customers', {})
    assert.deepEqual(
      service.calls().map(({ path }) => path),
      ['/tools/create_ticket', ...Array<string>(3).fill('/tools/list_customers')],
    )
  })

  test('says of itself what it likes: discovered hints are not believed unless the operator says so', async (t) => {
    const tool = '{"name":"read","annotations":{"readOnlyHint":true}}'
    const service = await restServer(scopeOf(t), (seen) =>
      seen.path === '/tools' ? { body: `{"tools":[${tool}]}` } : answering({ read: { status: 500 } })(seen),
    )
    const retry = { backoff: '1ms' }
    const one = await house(scopeOf(t), {
      backends: {
        a: crm(service, { retry }, {}),
        b: crm(service, { retry, trustAnnotations: true }, {}),
      },
    })
    await call(one, 'a_read', {})
    assert.equal(service.calls().length, 1)
    await call(one, 'b_read', {})
    assert.equal(service.calls().length, 4)
  })

  test('that hangs is given up, and its request ended', async (t) => {
    const service = await restServer(scopeOf(t), answering({ create_ticket: { hangs: true } }))
    const one = await house(scopeOf(t), { backends: { crm: crm(service, { timeout: '200ms' }) } })
    const result = await call(one, 'crm_create_ticket', {})
    assert.equal(
      textOf(result),
      'Backend crm did not answer within 200 ms. It is not known whether the call was carried out: find out before you call again.',
    )
    await service.cancelled.until((path) => path === '/tools/create_ticket')
  })

  test('is told when a client does not want its answer any more', async (t) => {
    const service = await restServer(scopeOf(t), answering({ create_ticket: { hangs: true } }))
    const one = await house(scopeOf(t), { backends: { crm: crm(service) } })
    const leaving = new AbortController()
    const left = assert.rejects(
      one.raw.modern('tools/call', { name: 'crm_create_ticket', arguments: {} }, { signal: leaving.signal }),
    )
    await service.journal.until(({ path }) => path === '/tools/create_ticket')
    leaving.abort()
    await left
    await service.cancelled.until((path) => path === '/tools/create_ticket')
  })

  test('that is gone is down, nothing is carried out, and it is found again', async (t) => {
    const service = await restServer(scopeOf(t), answering({ create_ticket: { body: '{}' } }))
    const one = await house(scopeOf(t), { backends: { crm: crm(service) } })
    await service.stop()
    const result = await call(one, 'crm_create_ticket', {})
    assert.equal(
      textOf(result),
      'Backend crm is not reachable: connection refused. Nothing was carried out: call again later.',
    )
    assert.equal(one.gateway.report()[0]?.health.status, 'unreachable')
    await service.start()
    await eventually('it is up again', () => one.gateway.report()[0]?.condition.state === 'up')
    assert.equal((await call(one, 'crm_create_ticket', {}))['isError'], undefined)
  })
})

describe('the health of a service', () => {
  const HEALTH = { interval: '20ms', unhealthy: 1, healthy: 1 }

  test('is good for 200 alone, and does not keep calls away', async (t) => {
    let status = 200
    const service = await restServer(scopeOf(t), (seen) =>
      seen.path === '/health' ? { status } : answering({ create_ticket: { body: '{}' } })(seen),
    )
    const one = await house(scopeOf(t), {
      backends: { crm: crm(service, { health: HEALTH }) },
      gateway: { tools: { health: true } },
    })
    const now = () => one.gateway.report()[0]?.health
    await eventually('it was asked', () => now()?.latencyMs !== undefined)
    for (const bad of [204, 302, 404, 500]) {
      status = 200
      await eventually('it is healthy', () => now()?.status === 'healthy')
      status = bad
      await eventually(`it is unhealthy with ${bad}`, () => now()?.status === 'unhealthy')
      assert.equal(now()?.reason, `answered HTTP ${bad}`)
    }
    assert.equal((await call(one, 'crm_create_ticket', {}))['isError'], undefined)
    const told = await call(one, 'gateway_health', {})
    assert.deepEqual(
      (told['structuredContent'] as Record<string, { status: string }>)['crm']?.status,
      'unhealthy',
    )
  })

  test('is asked at another path where that is configured', async (t) => {
    const service = await restServer(scopeOf(t), (seen) =>
      seen.path === '/up' ? { status: 204 } : { status: 500 },
    )
    const health = { ...HEALTH, path: '/up' }
    const one = await house(scopeOf(t), { backends: { crm: crm(service, { health }) } })
    await eventually('it was asked', () => one.gateway.report()[0]?.health.latencyMs !== undefined)
    assert.deepEqual([...new Set(service.journal.entries.map(({ path }) => path))], ['/up'])
  })

  test('is that of several endpoints where there are several', async (t) => {
    const good = await restServer(scopeOf(t), answering({ create_ticket: { body: '{}' } }))
    const gone = await restServer(scopeOf(t), answering({}))
    await gone.stop()
    const settings = { rest: { url: [gone.url, good.url], tools: TOOLS } }
    const one = await house(scopeOf(t), { backends: { crm: { settings } } })
    for (let times = 0; times < 3; times++)
      assert.equal((await call(one, 'crm_create_ticket', {}))['isError'], undefined)
    const [report] = one.gateway.report()
    assert.equal(report?.transport, 'rest')
    assert.deepEqual(
      report?.endpoints?.map(({ health }) => health.status),
      ['unreachable', 'healthy'],
    )
  })
})

describe('the tools of a service', () => {
  test('are asked for again when they are not fresh any more', async (t) => {
    let tools = '[{"name":"one"}]'
    const service = await restServer(scopeOf(t), (seen) =>
      seen.path === '/tools' ? { body: tools } : undefined,
    )
    const one = await house(scopeOf(t), { backends: { crm: crm(service, {}, { refresh: '20ms' }) } })
    const names = async () => {
      const { response } = await one.raw.modern('tools/list')
      return response.result?.tools?.map(({ name, inputSchema }) => [name, inputSchema])
    }
    assert.deepEqual(await names(), [['crm_one', { type: 'object' }]])
    tools = '{"tools":[{"name":"two","inputSchema":{"type":"object","required":["a"]}}]}'
    await eventually('the new tools are listed', async () => (await names())?.[0]?.[0] === 'crm_two')
    assert.deepEqual(await names(), [['crm_two', { type: 'object', required: ['a'] }]])
  })

  test('are not asked for where they are declared, and nothing else is offered', async (t) => {
    const service = await restServer(scopeOf(t), answering({}))
    const one = await house(scopeOf(t), { backends: { crm: crm(service) } })
    const { response } = await one.raw.modern('tools/list', {}, { route: 'crm' })
    const [ticket] = response.result?.tools ?? []
    assert.deepEqual(ticket, { name: 'create_ticket', ...TOOLS.create_ticket })
    assert.ok(service.journal.entries.every(({ path }) => path === '/health'))
    const prompts = await one.raw.modern('prompts/list', {}, { route: 'crm' })
    assert.deepEqual(prompts.response.result?.['prompts'] ?? [], [])
    const unknown = await one.raw.modern('tools/call', { name: 'nothing', arguments: {} }, { route: 'crm' })
    assert.equal(unknown.response.error?.data?.['code'], 'UNKNOWN_TOOL')
  })

  for (const [title, body] of [
    ['pages', '{"tools":[],"nextCursor":"x"}'],
    ['no list', '{"tool":[]}'],
    ['no JSON', '<p>'],
    ['JSON that is too deep', `[${'['.repeat(100)}${']'.repeat(100)}]`],
  ] as const) {
    test(`are not believed: ${title}`, async (t) => {
      const service = await restServer(scopeOf(t), (seen) => (seen.path === '/tools' ? { body } : undefined))
      const one = await house(scopeOf(t), { backends: { crm: crm(service, {}, {}) } })
      const { response } = await one.raw.modern('tools/list')
      assert.deepEqual(response.result?.tools, [])
      assert.match(JSON.stringify(response.result._meta?.['io.toolgate/backends']), /broke the protocol/)
    })
  }
})

/** The text of the last message of an answer to a call. */
async function modernText(one: House, name: string): Promise<{ readonly text: string }> {
  const answer = await fetch(one.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': name,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name,
        arguments: {},
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    }),
  })
  return { text: await answer.text() }
}
