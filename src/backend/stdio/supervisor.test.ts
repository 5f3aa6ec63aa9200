import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../pipeline/clock.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { exchangeOf, recordEvents, runs, serverConfig, testPorts } from './fixtures/kit.test.ts'
import { createStdioSupervisor } from './supervisor.ts'

/** Time that passes by hand, for whoever reads it; timers run by themselves. */
function handClock(): Clock & { forward(ms: number): void } {
  let now = 0
  return { ...systemClock, now: () => now, wallTime: () => 1_000 + now, forward: (ms) => (now += ms) }
}

describe('the supervisor', { timeout: 30_000 }, () => {
  test('shares one process', async (t) => {
    const supervisor = createStdioSupervisor(serverConfig(), testPorts(), recordEvents())
    t.after(() => supervisor.close())
    assert.equal(supervisor.status().pid, undefined)
    const [one, two] = await Promise.all([supervisor.channel(), supervisor.channel()])
    assert.equal(one, two)
    assert.equal(await supervisor.channel(), one)
    const { pid, ...status } = supervisor.status()
    assert.equal(typeof pid, 'number')
    assert.deepEqual(status, { restarts: 0, lastExit: undefined, nextTry: undefined })
  })

  test('restarts a process that died, not before its time', async (t) => {
    const clock = handClock()
    const events = recordEvents()
    const ports = testPorts({ clock })
    const supervisor = createStdioSupervisor(serverConfig(), ports, events)
    t.after(() => supervisor.close())
    const first = await supervisor.channel()
    clock.forward(10_000)
    await assert.rejects(first.exchange(exchangeOf('die')), /exited with code 3/)
    const reason = 'The process exited with code 3'
    assert.equal(await events.ended, reason)
    await assert.rejects(supervisor.channel(), {
      failure: { kind: 'unreachable', reason: `${reason} (next try in 0.1 s)` },
    })
    const status = supervisor.status()
    assert.deepEqual([status.lastExit?.reason, status.pid, status.restarts], [reason, undefined, 0])
    assert.deepEqual([status.lastExit?.at, status.nextTry], [11_000, 11_125])

    clock.forward(125)
    const second = await supervisor.channel()
    await second.exchange(exchangeOf('echo'))
    assert.equal(supervisor.status().restarts, 1)
    assert.ok(ports.logged.some(({ level, fields }) => level === 'warn' && fields['reason'] === reason))
  })

  test('restarts a process that lived long at once', async (t) => {
    const clock = handClock()
    const supervisor = createStdioSupervisor(serverConfig(), testPorts({ clock }), recordEvents())
    t.after(() => supervisor.close())
    const first = await supervisor.channel()
    clock.forward(60_000)
    await assert.rejects(first.exchange(exchangeOf('die')), /exited with code 3/)
    assert.notEqual(await supervisor.channel(), first)
  })

  test('backs off longer and longer from a command that is not there', async (t) => {
    const clock = handClock()
    const config = serverConfig({ command: 'no-such-command' })
    const supervisor = createStdioSupervisor(config, testPorts({ clock }), recordEvents())
    t.after(() => supervisor.close())
    for (const wait of [125, 250, 500, 1_000]) {
      await Promise.all([
        assert.rejects(supervisor.channel(), /^ChannelError: command not found: no-such-command$/),
        assert.rejects(supervisor.channel(), /command not found/),
      ])
      await assert.rejects(supervisor.channel(), /next try in/)
      clock.forward(wait)
    }
    assert.equal(supervisor.status().restarts, 3)
  })

  test('starts no process before the old one is gone', async (t) => {
    // Stopping needs time that passes.
    const clock = { ...systemClock, now: () => systemClock.now() + ahead }
    let ahead = 0
    const events = recordEvents()
    const config = serverConfig()
    const stubborn = { ...config, args: [...config.args, 'stubborn'] }
    const supervisor = createStdioSupervisor(stubborn, testPorts({ clock }), events)
    t.after(() => supervisor.close())
    const first = await supervisor.channel()
    const pid = supervisor.status().pid ?? 0
    await assert.rejects(first.exchange(exchangeOf('closeOutput')), /closed its output/)
    assert.equal(runs(pid), true)
    ahead = 125
    await supervisor.channel()
    assert.equal(runs(pid), false)
  })

  test('ends everything when it is closed, also while it starts', async () => {
    let closing: Promise<void> | undefined
    const children = { add: () => (closing = supervisor.close()), remove: () => undefined }
    const supervisor = createStdioSupervisor(serverConfig(), testPorts({ children }), recordEvents())
    const channel = await supervisor.channel()
    await closing
    assert.ok('pid' in channel)
    assert.equal(runs(channel.pid as number), false)
    await assert.rejects(supervisor.channel(), {
      failure: { kind: 'unreachable', reason: 'The backend was closed' },
    })
  })
})
