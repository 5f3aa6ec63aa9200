import assert from 'node:assert/strict'
import { test } from 'node:test'
import { result } from '../../../test/support/scripted.ts'
import { clientParams, readInputRequired } from './input-requests.ts'

const SAMPLING =
  '{"messages":[],"maxTokens":1,"includeContext":"thisServer","tools":[{"name":"t","inputSchema":{}}]}'

/** The parameters of sampling as a client of that revision gets them. */
function sampling(version: string, aggregate: boolean): unknown {
  const asked = readInputRequired(
    result(
      `{"resultType":"input_required","inputRequests":{"a":{"method":"sampling/createMessage","params":${SAMPLING}}}}`,
    ),
  )
  const [request] = asked?.requests ?? []
  assert.ok(request)
  return JSON.parse(clientParams(request, { version, aggregate }) ?? '')
}

test('"this server" is nothing that a client of the aggregate could include in sampling', () => {
  assert.deepEqual(sampling('2025-11-25', true), {
    messages: [],
    maxTokens: 1,
    tools: [{ name: 't', inputSchema: {} }],
  })
  assert.deepEqual(sampling('2025-11-25', false), JSON.parse(SAMPLING))
})

test('tools are kept from clients whose revision has none in sampling', () => {
  assert.deepEqual(sampling('2025-06-18', false), {
    messages: [],
    maxTokens: 1,
    includeContext: 'thisServer',
  })
})
