// Filters against failing backends, where several parts of the gateway have to agree.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Behaviour, response } from './hostile/support/backend.ts'
import { handwritten } from './language/handwritten.ts'
import { type House, gateway } from './language/house.ts'
import { legacyServer, modernServer } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import { gatewayProcess, site, toolgate } from './language/process.ts'
import { type Scope, fileScope } from './language/scope.ts'
import { INTERACTIVE } from './language/stage.ts'

const scope = fileScope()

const answers: Behaviour = ({ id }, reply) =>
  reply.json(response(id, '"result":{"resultType":"complete","content":[]}'))
const fails: Behaviour = (_received, reply) => reply.json('no', { status: 500 })

/** A modern server with the tools `read`, which says that it only reads, and `write`; calls meet these behaviours in turn. */
async function annotated(where: Scope, ...script: readonly Behaviour[]) {
  let calls = 0
  const server = await handwritten(
    where,
    {},
    {
      'tools/list': () => ({
        tools: ['read', 'write'].map((name) => ({
          name,
          inputSchema: { type: 'object' },
          annotations: { readOnlyHint: name === 'read' },
        })),
      }),
      'tools/call': () => script[Math.min(calls++, script.length - 1)] ?? answers,
    },
  )
  return { server, calls: () => calls }
}

async function call(house: House, name: string): Promise<readonly unknown[]> {
  const { status, response: answer } = await house.raw.modern('tools/call', { name, arguments: {} })
  return [status, answer.error?.data?.['code'], answer.error?.data?.['outcome']]
}

test('what a backend says about its tools counts only where the operator believes it', async () => {
  const { server, calls } = await annotated(scope, fails, answers, fails, fails)
  await using house = await gateway({
    backends: {
      believed: { settings: { ...server.settings, trustAnnotations: true } },
      doubted: server,
    },
  })
  assert.deepEqual(await call(house, 'believed_read'), [200, undefined, undefined])
  assert.equal(calls(), 2)
  assert.deepEqual(await call(house, 'doubted_read'), [502, 'BACKEND_UNAVAILABLE', 'unknown'])
  assert.deepEqual(await call(house, 'believed_write'), [502, 'BACKEND_UNAVAILABLE', 'unknown'])
  assert.equal(calls(), 4)
})

test('the try that loses is cancelled at the backend', async () => {
  let isClosed = false
  const hangs: Behaviour = (_received, { socket }) => void socket.on('close', () => (isClosed = true))
  const { server, calls } = await annotated(scope, hangs, answers)
  const tools = { read: { idempotent: true, hedge: { after: '50ms' } } }
  await using house = await gateway({ backends: { hedged: { settings: { ...server.settings, tools } } } })
  assert.deepEqual(await call(house, 'hedged_read'), [200, undefined, undefined])
  assert.equal(calls(), 2)
  await eventually('the connection of the first try is closed', () => isClosed)
})

test('a call that waits for its client holds no place, and takes one again when it goes on', async () => {
  const backend = await legacyServer(scope, { tools: INTERACTIVE })
  const bulkhead = { calls: 1, queue: 0 }
  await using house = await gateway({ backends: { one: { settings: { ...backend.settings, bulkhead } } } })
  const answer = Promise.withResolvers<{ action: 'accept'; content: { name: string } }>()
  const asked = Promise.withResolvers<string>()
  const client = await house.client('modern', {
    elicit: (message) => (asked.resolve(message), answer.promise),
  })
  const parked = client.call('one_ask', { who: 'parked' })
  await asked.promise
  const calls = (): object | undefined => house.gateway.report()[0]?.calls
  assert.deepEqual(calls(), { running: 0, waiting: 0 })
  assert.deepEqual(await call(house, 'one_echo'), [200, undefined, undefined])
  answer.resolve({ action: 'accept', content: { name: 'Ada' } })
  assert.match((await parked).text, /parked: accept {"name":"Ada"}/)
  assert.deepEqual(calls(), { running: 0, waiting: 0 })
})

test('a place is held until the stream of a call has ended', async () => {
  const backend = await modernServer(scope)
  const bulkhead = { calls: 1, queue: 0 }
  await using house = await gateway({ backends: { one: { settings: { ...backend.settings, bulkhead } } } })
  const client = await house.client('modern')
  const begun = Promise.withResolvers<void>()
  const waiting = client.call('one_wait', {}, { onProgress: () => begun.resolve() })
  await begun.promise
  assert.deepEqual(await call(house, 'one_echo'), [503, 'TOO_MANY', 'not-executed'])
  backend.release()
  await waiting
  assert.deepEqual(await call(house, 'one_echo'), [200, undefined, undefined])
})

test('an operator isolates a backend of a running gateway, and restores it', async (t) => {
  const [sick, well] = [await modernServer(scope), await modernServer(scope)]
  const where = await site(
    { after: (action) => t.after(action) },
    {
      backends: { sick, well },
      admin: { listen: '127.0.0.1:0' },
    },
  )
  await using running = await gatewayProcess(where)
  const status = async (name: string): Promise<readonly unknown[]> => {
    const { status: code, response: answer } = await running.raw.modern('tools/call', { name, arguments: {} })
    return [code, answer.error?.data?.['code']]
  }
  assert.equal(
    (await toolgate(where, 'isolate', 'sick')).stdout,
    'sick isolated: no call reaches it until it is restored',
  )
  assert.deepEqual(await status('sick_echo'), [503, 'CIRCUIT_OPEN'])
  assert.deepEqual(await status('well_echo'), [200, undefined])
  assert.match((await toolgate(where, 'status')).stdout, /sick +isolated/)
  assert.equal((await toolgate(where, 'restore', 'sick')).stdout, 'sick restored')
  assert.deepEqual(await status('sick_echo'), [200, undefined])
  const unknown = await toolgate(where, 'isolate', 'nobody')
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /no backend nobody/)
})
