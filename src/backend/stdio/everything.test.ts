import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import { valueOf } from '../../protocol/json.ts'
import { collect, exchangeOf, recordEvents, runs, serverConfig, testPorts } from './fixtures/kit.test.ts'
import { openStdioChannel } from './channel.ts'

const manifest = createRequire(import.meta.url).resolve(
  '@modelcontextprotocol/server-everything/package.json',
)

test('the official server-everything works and ends cleanly', { timeout: 60_000 }, async () => {
  const args = [path.join(path.dirname(manifest), 'dist', 'index.js'), 'stdio']
  const ports = testPorts({ grace: 10_000 })
  const channel = await openStdioChannel(serverConfig({ args }), ports, recordEvents())
  const ask = async (
    method: string,
    params: object,
    take = collect(0).take,
  ): Promise<Record<string, unknown>> => {
    const { message } = await channel.exchange(exchangeOf(method, params, { onNotification: take }))
    assert.equal(message.kind, 'result', message.text)
    return valueOf(message.text, message.result) as Record<string, unknown>
  }
  const clientInfo = { name: 'toolgate-test', version: '0' }
  const greeting = await ask('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo })
  assert.equal(greeting['protocolVersion'], '2025-11-25')
  await channel.notify('{"jsonrpc":"2.0","method":"notifications/initialized"}', {})

  const { tools } = await ask('tools/list', {})
  assert.ok((tools as { name: string }[]).some(({ name }) => name === 'echo'))
  const echo = await ask('tools/call', { name: 'echo', arguments: { message: 'hé' } })
  assert.deepEqual(echo['content'], [{ type: 'text', text: 'Echo: hé' }])

  const progress = collect(2)
  const long = { name: 'trigger-long-running-operation', arguments: { duration: 0.02, steps: 2 } }
  await ask('tools/call', long, progress.take)
  assert.equal(progress.taken.length, 2)

  await channel.close()
  assert.equal(runs(channel.pid), false)
  assert.deepEqual(
    ports.logged.filter(({ level }) => level !== 'info'),
    [],
  )
})
