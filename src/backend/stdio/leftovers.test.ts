import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { gatewayFile, host, runs, serverFile, testPorts } from './fixtures/kit.test.ts'
import { identityOf } from './identity.ts'
import { openChildLedger, reapLeftovers } from './leftovers.ts'

function stateFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'state-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A process in a group of its own that stays until it is ended. */
async function sleeper(t: TestContext): Promise<{ readonly pid: number; readonly child: ChildProcess }> {
  const code = `setInterval(() => undefined, 1000); console.log('ready')`
  const child = spawn(process.execPath, ['-e', code], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return { pid: child.pid ?? 0, child }
}

function writeRecord(stateDir: string, record: unknown): string {
  const folder = path.join(stateDir, 'children')
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, '1-x.json')
  writeFileSync(file, typeof record === 'string' ? record : JSON.stringify(record))
  return file
}

const recordsIn = (stateDir: string): string[] => readdirSync(path.join(stateDir, 'children'))

const gone = { pid: process.pid, identity: 'an earlier process of that id' }

describe('leftovers', { timeout: 30_000, skip: process.platform === 'win32' }, () => {
  test('of a killed gateway are found and ended, though they ignore the end of input and SIGTERM', async (t) => {
    const stateDir = stateFolder(t)
    const gateway = spawn(process.execPath, [gatewayFile, stateDir, serverFile], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(gateway.stdout, 'data')) as [Buffer]
    const pid = Number(line.toString())
    t.after(() => runs(pid) && process.kill(-pid, 'SIGKILL'))

    assert.deepEqual(await reapLeftovers(stateDir, testPorts()), [], 'nothing while its gateway runs')
    assert.equal(recordsIn(stateDir).length, 1)

    gateway.kill('SIGKILL')
    await once(gateway, 'exit')
    assert.equal(runs(pid), true)
    assert.deepEqual(await reapLeftovers(stateDir, testPorts()), [
      { pid, command: process.execPath, ended: true },
    ])
    assert.equal(identityOf(pid, process.platform), undefined)
    assert.deepEqual(recordsIn(stateDir), [])
  })

  test('end at SIGTERM when they follow it', async (t) => {
    const stateDir = stateFolder(t)
    const { pid, child } = await sleeper(t)
    const exit = once(child, 'exit')
    const identity = identityOf(pid, process.platform)
    writeRecord(stateDir, { gateway: gone, children: [{ pid, identity, command: 'x' }] })
    const found = await reapLeftovers(stateDir, testPorts({ grace: 60_000 }))
    assert.deepEqual(found, [{ pid, command: 'x', ended: true }])
    assert.deepEqual(await exit, [null, 'SIGTERM'])
  })

  test('are not touched when they are others with the same id', async (t) => {
    const stateDir = stateFolder(t)
    const { pid } = await sleeper(t)
    const identity = `${identityOf(pid, process.platform)}0`
    writeRecord(stateDir, { gateway: gone, children: [{ pid, identity, command: 'x' }] })
    assert.deepEqual(await reapLeftovers(stateDir, testPorts()), [])
    assert.equal(runs(pid), true)
    assert.deepEqual(recordsIn(stateDir), [], 'nothing of it is left')
  })

  test('in unreadable records are not touched, and the records removed with a warning', async (t) => {
    const { pid } = await sleeper(t)
    const identity = identityOf(pid, process.platform)
    const records = [
      '{"gateway":',
      'null',
      { gateway: gone },
      { gateway: gone, children: [{ pid, identity }] },
      { gateway: gone, children: [{ pid: -pid, identity, command: 'x' }] },
      {
        gateway: gone,
        children: [
          { pid, identity, command: 'x' },
          { pid: 1, identity, command: 'x' },
        ],
      },
      { children: [{ pid, identity, command: 'x' }] },
    ]
    for (const record of records) {
      const stateDir = stateFolder(t)
      writeRecord(stateDir, record)
      const ports = testPorts()
      assert.deepEqual(await reapLeftovers(stateDir, ports), [])
      assert.deepEqual(recordsIn(stateDir), [], JSON.stringify(record))
      assert.deepEqual(
        ports.logged.map(({ level }) => level),
        ['warn'],
      )
    }
    assert.equal(runs(pid), true)
  })

  test('need no folder', async (t) => {
    assert.deepEqual(await reapLeftovers(path.join(stateFolder(t), 'none'), testPorts()), [])
  })
})

describe('the ledger', { timeout: 30_000, skip: process.platform === 'win32' }, () => {
  test('keeps a private file while there are children', async (t) => {
    const stateDir = path.join(stateFolder(t), 'state')
    const { pid } = await sleeper(t)
    const ledger = openChildLedger(stateDir, testPorts())
    ledger.add(pid, 'node')
    const [name = '', ...others] = recordsIn(stateDir)
    assert.deepEqual(others, [])
    assert.ok(name.startsWith(`${process.pid}-`))
    const file = path.join(stateDir, 'children', name)
    const mode = (where: string): number => statSync(where).mode & 0o777
    assert.deepEqual([mode(path.dirname(file)), mode(file)], [0o700, 0o600])
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
      gateway: { pid: host.pid, identity: identityOf(host.pid, host.platform) },
      children: [{ pid, identity: identityOf(pid, host.platform), command: 'node' }],
    })
    ledger.remove(pid)
    assert.deepEqual(recordsIn(stateDir), [])
  })

  test('that cannot be written is a warning', async (t) => {
    const file = path.join(stateFolder(t), 'file')
    writeFileSync(file, '')
    const { pid } = await sleeper(t)
    const ports = testPorts()
    openChildLedger(file, ports).add(pid, 'node')
    assert.deepEqual(
      ports.logged.map(({ level }) => level),
      ['warn'],
    )
  })
})

describe('identities', { skip: process.platform === 'win32' }, () => {
  test('stay the same, differ between processes, and are missing where there is none', async (t) => {
    const { pid, child } = await sleeper(t)
    const identity = identityOf(pid, process.platform)
    assert.ok(identity !== undefined)
    assert.equal(identityOf(pid, process.platform), identity)
    assert.notEqual(identityOf(process.pid, process.platform), identity)
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.equal(identityOf(pid, process.platform), undefined)
    assert.equal(identityOf(-1, process.platform), undefined)
  })

  test('come from ps where there is no /proc', async (t) => {
    const { pid, child } = await sleeper(t)
    const identity = identityOf(pid, 'darwin')
    assert.match(identity ?? '', /\d\d:\d\d:\d\d \d{4}$/)
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.equal(identityOf(pid, 'darwin'), undefined)
  })
})
