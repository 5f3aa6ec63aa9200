import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { valueOf } from '../../protocol/json.ts'
import { ChannelError } from '../channel.ts'
import { type StdioChannel, openStdioChannel } from './channel.ts'
import { exchangeOf, host, recordEvents, serverConfig, testPorts } from './fixtures/kit.test.ts'
import { identityOf } from './identity.ts'
import { startProcess } from './process.ts'

const posix = process.platform === 'win32' ? 'Windows has neither groups nor modes' : false

async function ask(channel: StdioChannel, method: string, params = {}): Promise<Record<string, unknown>> {
  const { message } = await channel.exchange(exchangeOf(method, params))
  assert.equal(message.kind, 'result')
  return valueOf(message.text, message.result) as Record<string, unknown>
}

/** Not counting processes that only wait to be collected. */
const lives = (pid: number): boolean => identityOf(pid, process.platform) !== undefined

function scratch(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'stdio-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

describe('starting', { timeout: 30_000 }, () => {
  test('gives a minimal environment, what is configured, and the folder', async (t) => {
    const cwd = scratch(t)
    const env = { ...process.env, SECRET_OF_GATEWAY: 'x', TERM: '() { :; }', LANG: 'C.UTF-8' }
    const ports = testPorts({ host: { ...host, env } })
    const channel = await openStdioChannel(serverConfig({ cwd, env: { KEY: 'k' } }), ports, recordEvents())
    t.after(() => channel.close())
    const seen = await ask(channel, 'env')
    const names = Object.keys(seen['env'] as object)
    const { PATH, KEY, LANG } = seen['env'] as Record<string, string>
    assert.deepEqual([PATH, KEY, LANG], [process.env['PATH'], 'k', 'C.UTF-8'])
    assert.equal(names.includes('SECRET_OF_GATEWAY'), false)
    assert.equal(names.includes('TERM'), false, 'a shell function is left out')
    assert.equal(seen['cwd'], cwd)
  })

  test('uses no shell', async (t) => {
    const args = ['-e', 'process.stderr.write(process.argv[1])', '$HOME; echo `x`']
    const ports = testPorts()
    const child = await startProcess(serverConfig({ args }), ports)
    t.after(() => child.stop())
    assert.equal((await child.exited).detail, '$HOME; echo `x`')
  })

  test('that fails has one clear reason', { skip: posix }, async (t) => {
    const folder = scratch(t)
    const script = path.join(folder, 'script')
    writeFileSync(script, '#!/no/such/interpreter\n')
    const plain = path.join(folder, 'plain')
    writeFileSync(plain, '')
    chmodSync(script, 0o700)
    chmodSync(plain, 0o600)
    const cases = [
      [{ command: 'no-such-command' }, 'command not found: no-such-command'],
      [{ command: '/no/such/file' }, 'command not found: /no/such/file'],
      [{ command: script }, `the interpreter of this script was not found: ${script}`],
      [{ command: plain }, `no permission to run: ${plain}`],
      [{ cwd: '/no/such/folder' }, 'working directory not found: /no/such/folder'],
      [{ command: 'a\0b' }, 'cannot start a\0b: ERR_INVALID_ARG_VALUE'],
    ] as const
    for (const [config, reason] of cases) {
      const failure = { kind: 'unreachable', reason }
      await assert.rejects(startProcess(serverConfig(config), testPorts()), (error: unknown) => {
        assert.ok(error instanceof ChannelError)
        assert.deepEqual(error.failure, failure)
        return true
      })
    }
  })
})

describe('stopping', { timeout: 30_000 }, () => {
  test('closes the input, which is enough for a server that behaves', async () => {
    // With this grace the test would take too long if it came to a signal.
    const ports = testPorts({ grace: 60_000 })
    const child = await startProcess(serverConfig(), ports)
    child.stdout.resume()
    await child.stop()
    assert.equal((await child.exited).reason, 'The process exited with code 0')
  })

  test('goes on to SIGTERM', { skip: posix }, async () => {
    const args = ['-e', 'setInterval(() => undefined, 1000)']
    const child = await startProcess(serverConfig({ args }), testPorts())
    await child.stop()
    assert.equal((await child.exited).reason, 'The process was ended by SIGTERM')
  })

  test('ends with SIGKILL, for the whole group', { skip: posix }, async () => {
    const config = serverConfig()
    const channel = await openStdioChannel(
      { ...config, args: [...config.args, 'stubborn'] },
      testPorts(),
      recordEvents(),
    )
    const { pid } = await ask(channel, 'grandchild')
    const both = [channel.pid, pid as number]
    assert.deepEqual(both.map(lives), [true, true])
    await Promise.all([channel.close(), channel.close()])
    assert.deepEqual(both.map(lives), [false, false])
  })

  test('ends what a server leaves behind when it ends by itself', { skip: posix }, async () => {
    const events = recordEvents()
    const channel = await openStdioChannel(serverConfig(), testPorts(), events)
    const { pid } = await ask(channel, 'grandchild')
    await Promise.all([assert.rejects(ask(channel, 'die')), events.ended])
    await channel.close()
    assert.equal(lives(pid as number), false)
  })

  test('follows by itself when the process ends by itself', async () => {
    const removed = Promise.withResolvers<number>()
    const children = { add: () => undefined, remove: removed.resolve }
    const child = await startProcess(serverConfig({ args: ['-e', ''] }), testPorts({ children }))
    assert.equal(await removed.promise, child.pid)
    assert.equal(child.stdin.destroyed, true)
  })

  test('tells the ledger', async () => {
    const seen: unknown[] = []
    const children = {
      add: (pid: number, command: string) => void seen.push(pid, command),
      remove: (pid: number) => void seen.push(pid),
    }
    const child = await startProcess(serverConfig({ command: process.execPath }), testPorts({ children }))
    await child.stop()
    assert.deepEqual(seen, [child.pid, process.execPath, child.pid])
  })
})

describe('standard error', { timeout: 30_000 }, () => {
  const lines = async (params: object): Promise<(readonly [string, string])[]> => {
    const ports = testPorts()
    const channel = await openStdioChannel(serverConfig(), ports, recordEvents())
    await ask(channel, 'stderr', params)
    await channel.close()
    assert.ok(ports.logged.every(({ fields }) => fields['backend'] === 'fixture'))
    return ports.logged.map(({ level, message }) => [level, message] as const)
  }

  test('is logged by lines, with controls escaped', async () => {
    const text = 'one\r\n\n\ttwo \u001b[31m\u202e\u0007\nthree'
    assert.deepEqual(await lines({ text }), [
      ['info', 'one'],
      ['info', '\ttwo \\x1b[31m\\u202e\\x07'],
      ['info', 'three'],
    ])
  })

  test('may be no UTF-8', async () => {
    assert.deepEqual(await lines({ hex: '61ff62c3a40a' }), [['info', 'a\ufffdbä']])
  })

  test('is bounded in length', async () => {
    const [first, second] = await lines({ text: `${'x'.repeat(100_000)}\nnext\n` })
    assert.deepEqual([first?.[1], second?.[1]], [`${'x'.repeat(2_000)}…`, 'next'])
  })

  test('is bounded in rate, and what is left out is counted', async () => {
    const logged = await lines({ text: 'line\n', times: 1_000 })
    const shown = logged.filter(([level]) => level === 'info').length
    assert.ok(shown >= 100 && shown < 200, String(shown))
    assert.ok(logged.some(([level]) => level === 'warn'))
  })
})
