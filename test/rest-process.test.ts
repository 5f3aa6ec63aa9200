/** A service in a process of its own, a gateway in another, and the command line between them. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { configText } from './language/house.ts'
import { eventually } from './language/journal.ts'
import { gatewayProcess, site, toolgate } from './language/process.ts'
import { type Scope, scopeOf } from './language/scope.ts'

const program = fileURLToPath(new URL('language/rest-process.ts', import.meta.url))

async function service(scope: Scope) {
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  scope.after(kill)
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { url, kill }
}

test('the command line shows, lists and calls a service like any backend', async (t) => {
  const scope = scopeOf(t)
  const crm = await service(scope)
  const settings = {
    rest: { url: crm.url },
    headers: { 'X-Key': 's3cret-key' },
    health: { interval: '100ms', unhealthy: 1 },
  }
  const where = await site(scope, {
    admin: { listen: '127.0.0.1:0' },
    backends: { 'legacy-crm': { settings } },
  })
  const checked = await toolgate(where, 'check', where.file)
  assert.equal(checked.code, 0, checked.stderr)
  assert.match(
    checked.stdout,
    /^legacy-crm +rest +modern +30s +http:\/\/127\.0\.0\.1:\d+\/? \(headers: X-Key\)/m,
  )
  assert.ok(!checked.stdout.includes('s3cret'))
  await using serving = await gatewayProcess(where)
  const there = ['--url', serving.url]
  const listed = await toolgate(where, 'tools', ...there)
  assert.match(listed.stdout, /legacy-crm_echo\s+Answers its arguments\./, listed.stderr)
  const called = await toolgate(where, 'call', 'legacy-crm_echo', '--arg', 'a=1', ...there)
  assert.equal(called.code, 0, called.stderr)
  assert.match(called.stdout, /"a": ?"?1/)
  const refused = await toolgate(where, 'call', 'legacy-crm_refuse', ...there)
  assert.notEqual(refused.code, 0)
  assert.match(refused.stdout + refused.stderr, /HTTP 409: \{"error":"the ticket is closed"\}/)

  const status = async () => (await toolgate(where, 'status')).stdout
  await eventually('it is healthy', async () => /^legacy-crm +healthy .* rest +2/m.test(await status()))
  const client = await serving.client('modern')
  assert.equal((await client.call('legacy-crm_echo', { b: 2 })).text, '{"b":2}')
  await crm.kill()
  await eventually('it is unreachable', async () => /^legacy-crm +unreachable /m.test(await status()))
  const gone = await client.call('legacy-crm_echo', {})
  assert.deepEqual(gone, {
    ...gone,
    isError: true,
    text: 'Backend legacy-crm is not reachable: connection refused. Nothing was carried out: call again later.',
  })
})

test('its tools are approved and held like those of any server', async (t) => {
  const scope = scopeOf(t)
  const crm = await service(scope)
  const pinnedAs = (description: string) => ({
    backends: { crm: { settings: { rest: { url: crm.url, tools: { echo: { description } } } } } },
  })
  const where = await site(scope, pinnedAs('Answers.'))
  const pinned = await toolgate(where, 'pin', 'crm', '--yes', '-c', where.file)
  assert.equal(pinned.code, 0, pinned.stderr)
  await writeFile(where.file, configText(pinnedAs('Answers, and more.')))
  await using serving = await gatewayProcess(where)
  const { response } = await serving.raw.modern('tools/call', { name: 'crm_echo', arguments: {} })
  assert.equal(response.error?.data?.['code'], 'QUARANTINED')
})
