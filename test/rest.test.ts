/** Services over plain HTTP behind the gateway, as the gateway pattern has them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
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
