import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { constants, createReadStream } from 'node:fs'
import { mkdir, mkdtemp, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, describe, test } from 'node:test'
import { settled } from '../../test/support/fake-clock.ts'
import { systemClock } from '../pipeline/clock.ts'
import type { LogFields } from '../pipeline/log.ts'
import { type LineSink, openLines } from './log-file.ts'

async function setUp(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'toolgate-lines-'))
  t.after(async () => rm(folder, { recursive: true, force: true }))
  const said: (readonly [string, LogFields | undefined])[] = []
  const log = (_level: string, message: string, fields?: LogFields): void => void said.push([message, fields])
  const file = join(folder, 'calls.log')
  const openAt = (path = file): LineSink => openLines(path, { clock: systemClock, log })
  return { folder, file, said, openAt }
}

/** Lets writes happen until the file has as many lines. */
async function linesIn(file: string, count: number): Promise<readonly string[]> {
  for (;;) {
    const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1)
    if (lines.length >= count) return lines
    await settled()
  }
}

describe('lines that go to a file', () => {
  test('are there in their order, and nobody but the owner reads them', async (t) => {
    const { file, openAt } = await setUp(t)
    const sink = openAt()
    const lines = Array.from({ length: 5000 }, (_, index) => `line ${index}: ${'ü'.repeat(index % 50)}`)
    for (const line of lines) sink.write(`${line}\n`)
    await sink.close()
    assert.deepEqual(await linesIn(file, 5000), lines)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
  })

  test('are added to what is there', async (t) => {
    const { file, openAt } = await setUp(t)
    for (const line of ['first', 'second']) {
      const sink = openAt()
      sink.write(`${line}\n`)
      await sink.close()
    }
    assert.deepEqual(await linesIn(file, 2), ['first', 'second'])
  })

  test('go on in a new file where the old one was moved away, and none is lost', async (t) => {
    const { file, openAt } = await setUp(t)
    const sink = openAt()
    for (let index = 0; index < 1000; index++) sink.write(`${index}\n`)
    await linesIn(file, 1)
    await rename(file, `${file}.1`)
    for (let index = 1000; index < 2000; index++) sink.write(`${index}\n`)
    sink.reopen()
    for (let index = 2000; index < 3000; index++) sink.write(`${index}\n`)
    await sink.close()
    const [old, fresh] = await Promise.all([linesIn(`${file}.1`, 1), linesIn(file, 1)])
    assert.deepEqual(
      [...old, ...fresh].map(Number),
      Array.from({ length: 3000 }, (_, index) => index),
    )
    assert.ok(fresh.length >= 1000)
  })

  test('are refused at once where they cannot be written', async (t) => {
    const { folder, openAt } = await setUp(t)
    const there = join(folder, 'folder')
    await mkdir(there)
    assert.throws(() => openAt(there), /cannot write the access log to .*: EISDIR/)
    assert.throws(() => openAt(join(folder, 'missing', 'calls.log')), /ENOENT/)
  })
})

describe('a destination that takes nothing', () => {
  test('makes nobody wait, is complained about, and gets what fits once it is read', async (t) => {
    const { folder, said, openAt } = await setUp(t)
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    // Held open for reading, and not read: it fills.
    const holder = await open(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
    const sink = openAt(pipe)
    const line = `${'x'.repeat(1023)}\n`
    for (let index = 0; index < 20_000; index++) sink.write(line)
    assert.deepEqual(said, [
      ['the access log cannot be written', { to: pipe, reason: 'it takes them too slowly' }],
    ])
    const lines = createInterface({ input: createReadStream(pipe) })
    let read = 0
    lines.on('line', (text) => {
      assert.equal(text.length, 1023)
      read++
    })
    const dropped = (): number =>
      said
        .filter(([message]) => message === 'lines of the access log were dropped')
        .reduce((sum, [, fields]) => sum + Number(fields?.['lines']), 0)
    while (read + dropped() < 20_000) await settled()
    assert.equal(read + dropped(), 20_000)
    assert.ok(read > 1000 && read < 20_000)
    await sink.close()
    await holder.close()
  })

  test('may be a pipe that nobody has opened yet', async (t) => {
    const { folder, said, openAt } = await setUp(t)
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const sink = openAt(pipe)
    sink.write('early\n')
    const lines = createInterface({ input: createReadStream(pipe) })
    const [first] = await new Promise<readonly string[]>((resolve) =>
      lines.once('line', (text) => resolve([text])),
    )
    assert.equal(first, 'early')
    assert.ok(said.every(([, fields]) => fields?.['reason'] === 'ENXIO'))
    await sink.close()
  })

  test('may be a full disk: nothing fails, and the end does not wait for it', async (t) => {
    const { said, openAt } = await setUp(t)
    const sink = openAt('/dev/full')
    sink.write('lost\n')
    sink.write('lost too\n')
    await sink.close()
    const to = '/dev/full'
    assert.deepEqual(said, [
      ['the access log cannot be written', { to, reason: 'ENOSPC' }],
      ['lines of the access log were dropped', { to, lines: 2 }],
    ])
  })
})
