import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { callOf, collect, request, someone, valueOfReply } from '../../../test/support/scripted.ts'
import { GatewayError } from '../../errors.ts'
import type { Reply } from '../../pipeline/call.ts'
import type { BackendRequest } from '../backend.ts'
import { BUILTIN, createBuiltinBackend } from './backend.ts'
import { healthTool } from './health.ts'
import type { BuiltinTool } from './tool.ts'

const greet: BuiltinTool = {
  name: 'greet',
  description: 'Greets.',
  inputSchema: { type: 'object' },
  call: (args, { principal }) => ({ text: `hello ${principal.id} ${JSON.stringify(args)}` }),
}

const backendOf = (...tools: readonly BuiltinTool[]) =>
  createBuiltinBackend(
    { ttlMs: 1000, current: () => tools, onChange: () => () => undefined },
    { clock: createFakeClock() },
  )

function requestFor(name: string, over: Partial<BackendRequest> = {}): BackendRequest {
  const message = request('tools/call', { name: `gateway_${name}`, arguments: { a: 1 } })
  const { downstream, signal } = callOf(message)
  const target = { kind: 'one', backend: BUILTIN, name, paramHeaders: [] } as const
  return {
    message,
    target,
    exposedName: `gateway_${name}`,
    principal: someone('me'),
    downstream,
    headers: undefined,
    signal,
    ...over,
  }
}

const send = async (tool: BuiltinTool, over: Partial<BackendRequest> = {}): Promise<Reply> =>
  backendOf(tool).send(requestFor(tool.name, over), collect())

test('a tool is listed by its definition, and by nothing else', async () => {
  const { signal } = new AbortController()
  const { entries, offered } = await backendOf(greet).list('tools', signal)
  assert.equal(offered, true)
  assert.deepEqual(
    entries.map((text) => JSON.parse(text) as object),
    [{ name: 'greet', description: 'Greets.', inputSchema: { type: 'object' } }],
  )
  for (const kind of ['prompts', 'resources', 'resourceTemplates'] as const)
    assert.equal((await backendOf(greet).list(kind, signal)).offered, false)
})

test('a tool gets its arguments and its caller, and answers with text, an object or a failure', async () => {
  assert.deepEqual(valueOfReply(await send(greet)), {
    resultType: 'complete',
    content: [{ type: 'text', text: 'hello me {"a":1}' }],
  })
  const structured = await send({ ...greet, call: async () => ({ structured: { b: 2 } }) })
  assert.deepEqual(valueOfReply(structured), {
    resultType: 'complete',
    content: [{ type: 'text', text: '{"b":2}' }],
    structuredContent: { b: 2 },
  })
  const failed = await send({ ...greet, call: () => ({ text: 'no', isError: true }) })
  assert.equal(valueOfReply(failed)['isError'], true)
})

test('what is not there is an error of the backend, in its own words', async () => {
  const unknown = await backendOf(greet).send(requestFor('grete'), collect())
  assert.equal(unknown.kind === 'error' && unknown.code, -32602)
  const message = request('completion/complete', {})
  const other = await backendOf(greet).send(requestFor('greet', { message }), collect())
  assert.equal(other.kind === 'error' && other.code, -32601)
})

test('a call that nobody waits for any more ends, whatever its tool does', async () => {
  const controller = new AbortController()
  const sent = send(
    { ...greet, call: async () => new Promise(() => undefined) },
    { signal: controller.signal },
  )
  const reason = new GatewayError('CANCELLED', 'gone')
  controller.abort(reason)
  await assert.rejects(sent, reason)
})

test('gateway_health keeps what is for the operator alone', async () => {
  const status = {
    ...backendOf(greet).status(),
    name: 'a',
    health: { status: 'unreachable', since: 0, reason: 'exited', detail: 'SECRET on stderr' } as const,
  }
  const reply = await send(healthTool(() => [status]))
  assert.deepEqual(valueOfReply(reply)['structuredContent'], {
    a: { status: 'unreachable', error: 'exited' },
  })
  assert.ok(!reply.text.includes('SECRET'))
})

test('gateway_health tells a caller only of the backends of which it may see something', async () => {
  const statuses = ['a', 'b'].map((name) => ({ ...backendOf(greet).status(), name }))
  const tool = healthTool(
    () => statuses,
    ({ id }) => ({ reaches: (backend) => id === 'me' && backend === 'b' }),
  )
  assert.deepEqual(valueOfReply(await send(tool))['structuredContent'], { b: { status: 'healthy' } })
  const other = await send(tool, { principal: someone('other') })
  assert.deepEqual(valueOfReply(other)['structuredContent'], {})
})
