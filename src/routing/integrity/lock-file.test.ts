import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, rmdir, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, describe, test } from 'node:test'
import { eventually } from '../../../test/language/journal.ts'
import { type FakeClock, createFakeClock } from '../../../test/support/fake-clock.ts'
import { LockError } from './lock.ts'
import { type LockFile, type LockState, openLockFile } from './lock-file.ts'

const EMPTY = '{"lockVersion":1,"backends":{}}'
const ONE = '{"lockVersion":1,"backends":{"a":{}}}'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'toolgate-lock-'))
  t.after(async () => rm(path, { recursive: true }))
  return path
}

/** Follows a file, and lets time pass until something is told. */
async function following(t: TestContext, text?: string) {
  const path = join(await folder(t), 'tools.lock')
  if (text !== undefined) await writeFile(path, text)
  const clock: FakeClock = createFakeClock()
  const file: LockFile = openLockFile(path, clock)
  t.after(() => file.close())
  const told: LockState[] = []
  file.onChange((state) => told.push(state))
  const look = async (until: () => boolean): Promise<void> =>
    eventually('the file is looked at', async () => {
      await clock.advance(1000)
      return until()
    })
  return { path, clock, file, told, look }
}

describe('the lock file', () => {
  test('need not be there, and is noticed when it appears, changes and goes', async (t) => {
    const { path, file, told, look } = await following(t)
    assert.deepEqual(file.state, { kind: 'absent' })
    await writeFile(path, EMPTY)
    await look(() => file.state.kind === 'loaded')
    await writeFile(path, ONE)
    await look(() => file.state.kind === 'loaded' && file.state.lock.backends.size === 1)
    await rm(path)
    await look(() => file.state.kind === 'absent')
    assert.deepEqual(
      told.map(({ kind }) => kind),
      ['loaded', 'loaded', 'absent'],
    )
  })

  test('goes on holding what it said while it is broken, and says once what is wrong', async (t) => {
    const { path, clock, file, told, look } = await following(t, ONE)
    await writeFile(path, '{')
    await look(() => file.state.kind === 'invalid')
    for (let time = 0; time < 5; time++) await clock.advance(1000)
    assert.equal(file.state.kind === 'invalid' && file.state.lock?.backends.size, 1)
    assert.equal(told.length, 1)
    await writeFile(path, EMPTY)
    await look(() => file.state.kind === 'loaded')
  })

  test('that was removed while it was broken holds nothing any more', async (t) => {
    const { path, file, look } = await following(t, ONE)
    await writeFile(path, '{')
    await look(() => file.state.kind === 'invalid')
    await rm(path)
    await look(() => file.state.kind === 'absent')
  })

  test('that is missing for a moment, as when it is replaced, holds on', async (t) => {
    const { path, clock, file, told, look } = await following(t, ONE)
    await rm(path)
    await clock.advance(1000)
    await eventually('it was looked for', () => clock.pending === 1)
    await writeFile(path, ONE)
    await look(() => told.length > 0)
    assert.deepEqual([file.state.kind, told.map(({ kind }) => kind)], ['loaded', ['loaded']])
  })

  test('that could not be read for a while is believed again', async (t) => {
    const { path, file, look } = await following(t, ONE)
    await rename(path, `${path}.kept`)
    await mkdir(path)
    await look(() => file.state.kind === 'invalid')
    await rmdir(path)
    await rename(`${path}.kept`, path)
    await look(() => file.state.kind === 'loaded')
  })

  test('is read again only when it was written', async (t) => {
    const { path, clock, told, look } = await following(t, ONE)
    for (let time = 0; time < 5; time++) await clock.advance(1000)
    assert.deepEqual(told, [])
    await utimes(path, 1, 1)
    await look(() => told.length === 1)
  })

  test('leaves no timer behind', async (t) => {
    const { clock, file } = await following(t, ONE)
    assert.equal(clock.pending, 1)
    file.close()
    assert.equal(clock.pending, 0)
  })

  test('that cannot be believed at the start is an error', async (t) => {
    const path = join(await folder(t), 'tools.lock')
    const open = (): unknown => openLockFile(path, createFakeClock())
    await writeFile(path, 'x')
    assert.throws(open, LockError)
    await rm(path)
    await mkdir(path)
    assert.throws(open, /is no file$/)
  })
})
