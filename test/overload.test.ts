/** A gateway that has too much to do, or too many clients: who is refused, who is served, and how they are told. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { describe, test } from 'node:test'
import type { Load, LoadGauge } from '../src/pipeline/load.ts'
import { type House, gateway } from './language/house.ts'
import { modernServer } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import { gatewayProcess, site, toolgate } from './language/process.ts'
import { type Scope, scopeOf } from './language/scope.ts'

const CALM: Load = { delayMs: 0, memory: 0.1 }

interface Busy {
  readonly house: House
  load: Load
}

async function busy(scope: Scope, settings: object = {}): Promise<Busy> {
  const backend = await modernServer(scope)
  const state = { load: CALM }
  const gauge: LoadGauge = { read: () => state.load, close: () => undefined }
  const house = await gateway({
    backends: { a: backend },
    load: gauge,
    gateway: { overload: {}, ...settings },
  })
  scope.after(async () => house.close())
  return Object.assign(state, { house })
}

const echo = async ({ raw }: House) => raw.modern('tools/call', { name: 'a_echo', arguments: {} })

const probe = async (house: House, path: string): Promise<number> =>
  (await fetch(new URL(path, house.url))).status

describe('a gateway that is too busy', () => {
  test('refuses new calls with a time to come back, and answers health checks all the same', async (t) => {
    const one = await busy(scopeOf(t))
    const { house } = one
    assert.equal((await echo(house)).status, 200)
    const legacy = await house.client('v1')
    one.load = { ...CALM, delayMs: 5000 }
    await eventually('everything is refused', () => (house.gateway.load?.refusing ?? 0) > 0.999)
    const refused = await echo(house)
    assert.equal(refused.status, 503)
    assert.ok(Number(refused.headers.get('retry-after')) >= 1)
    const { code, data } = refused.response.error ?? {}
    assert.deepEqual([code, data?.['code'], data?.['retryable']], [-31053, 'OVERLOADED', true])
    assert.ok(Number(data?.['retryAfterMs']) >= 1000)
    assert.deepEqual([await probe(house, '/healthz'), await probe(house, '/readyz')], [200, 200])
    await assert.rejects(legacy.call('a_echo'), /too much to do/, 'a session is refused its calls too')
    assert.ok((house.gateway.load?.refused ?? 0) >= 2)
    one.load = CALM
    await eventually('nothing is refused any more', () => house.gateway.load?.refusing === 0)
    assert.equal((await echo(house)).status, 200)
    assert.equal((await legacy.call('a_echo')).isError, false, 'the session has survived')
  })

  test('lets calls that are under way end, and lets clients cancel', async (t) => {
    const backend = await modernServer(scopeOf(t))
    const state = { load: CALM }
    const house = await gateway({
      backends: { a: backend },
      gateway: { overload: {} },
      load: { read: () => state.load, close: () => undefined },
    })
    scopeOf(t).after(async () => house.close())
    const client = await house.client('legacy')
    const cancel = new AbortController()
    const [waiting, cancelled] = [
      client.call('a_wait', { who: 'first' }),
      client.call('a_wait', { who: 'second' }, { signal: cancel.signal }),
    ]
    await eventually('both are under way', () => backend.journal.count((saw) => saw.kind === 'call') === 2)
    state.load = { ...CALM, memory: 1 }
    await eventually('everything is refused', () => (house.gateway.load?.refusing ?? 0) > 0.999)
    cancel.abort()
    await assert.rejects(cancelled)
    await backend.journal.until((saw) => saw.kind === 'cancelled' && saw.args['who'] === 'second')
    backend.release()
    assert.equal((await waiting).isError, false)
  })

  test('is asked how it is by status, and off watches nothing', async (t) => {
    const backend = await modernServer(scopeOf(t))
    const where = await site(scopeOf(t), {
      backends: { a: backend },
      admin: { listen: '127.0.0.1:0' },
      gateway: { overload: {} },
    })
    await using serving = await gatewayProcess(where)
    const shown = JSON.parse((await toolgate(where, 'status', '--json')).stdout) as {
      readonly load?: { readonly memory: number; readonly refusing: number }
    }
    // The real gauge, in a process that has nothing to do.
    assert.ok((shown.load?.memory ?? 0) > 0 && (shown.load?.memory ?? 1) < 0.85)
    assert.equal(shown.load?.refusing, 0)
    serving.kill('SIGTERM')
    await serving.exit
    const off = await busy(scopeOf(t), { overload: 'off' })
    off.load = { delayMs: 1e6, memory: 1 }
    assert.equal(off.house.gateway.load, undefined)
    assert.equal((await echo(off.house)).status, 200)
  })
})

describe('connections', () => {
  test('beyond the limit are told so, and may ask for the health of the gateway', async (t) => {
    const { house } = await busy(scopeOf(t), { limits: { connections: 2 } })
    const { hostname, port } = new URL(house.url)
    const open = async (): Promise<Socket> => {
      const socket = connect(Number(port), hostname)
      scopeOf(t).after(async () => void socket.destroy())
      await once(socket, 'connect')
      return socket
    }
    /** Asks on a connection until it has the whole head of an answer. */
    const ask = async (socket: Socket, line: string): Promise<string> => {
      socket.write(`${line} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n`)
      let text = ''
      while (!text.includes('\r\n\r\n')) text += String((await once(socket, 'data'))[0])
      return text
    }
    const held = [await open(), await open()]
    for (const socket of held) assert.match(await ask(socket, 'GET /healthz'), /^HTTP\/1\.1 200 /)
    const third = await ask(await open(), 'POST /mcp')
    assert.match(third, /^HTTP\/1\.1 503 /)
    assert.match(third, /^connection: close/im)
    assert.match(third, /"code":"TOO_MANY"/)
    assert.match(await ask(await open(), 'GET /healthz'), /^HTTP\/1\.1 200 /)
    held[0]?.destroy()
    await eventually('there is room again', async () => (await echo(house)).status === 200)
  })

  test('that never say anything are closed', async (t) => {
    const { house } = await busy(scopeOf(t), { limits: { headerTimeout: '100ms' } })
    const { hostname, port } = new URL(house.url)
    const silent = connect(Number(port), hostname)
    await once(silent.resume(), 'close')
  })
})
