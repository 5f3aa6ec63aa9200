import assert from 'node:assert/strict'
import {
  chmodSync as changeMode,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, describe, test } from 'node:test'
import { FileBusyError, changePrivateFile, readPrivateFile } from './private-file.ts'

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'toolgate-private-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

describe('a private file', () => {
  test('is made with its folder, for its owner alone, and replaced as a whole', (t) => {
    const path = join(temporary(t), 'state', 'file')
    assert.equal(readPrivateFile(path), undefined)
    changePrivateFile(path, (text) => `${text}`)
    assert.equal(readPrivateFile(path), 'undefined')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700)
    const before = statSync(path).ino
    assert.equal(
      changePrivateFile(path, (text) => `${text}!`),
      'undefined!',
    )
    assert.notEqual(statSync(path).ino, before)
    assert.equal(readFileSync(path, 'utf8'), 'undefined!')
  })

  test('stays as it was when the change fails', (t) => {
    const path = join(temporary(t), 'file')
    writeFileSync(path, 'old', { mode: 0o600 })
    const fail = (): never => {
      throw new Error('no')
    }
    assert.throws(() => changePrivateFile(path, fail), /^Error: no$/)
    assert.equal(readPrivateFile(path), 'old')
    assert.ok(!existsSync(`${path}.new`))
  })

  test('is changed by one at a time', (t) => {
    const path = join(temporary(t), 'file')
    changePrivateFile(path, () => {
      assert.throws(() => changePrivateFile(path, () => 'second'), FileBusyError)
      return 'first'
    })
    assert.equal(readPrivateFile(path), 'first')
  })

  test('is refused when others may write it, or when it is too large', (t) => {
    const path = join(temporary(t), 'file')
    for (const mode of [0o620, 0o602, 0o666]) {
      writeFileSync(path, '')
      changeMode(path, mode)
      assert.throws(() => readPrivateFile(path), /may be written by others/)
    }
    changeMode(path, 0o644)
    assert.equal(readPrivateFile(path), '')
    truncateSync(path, 17 * 1024 ** 2)
    assert.throws(() => readPrivateFile(path), /is larger than/)
  })
})
