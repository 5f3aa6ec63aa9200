import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, describe, test } from 'node:test'
import { openSealingKeys, rotateSealingKeys, sealingKeys, sealingKeysFile } from './key-file.ts'
import { createSealer, randomKey } from './seal.ts'

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'toolgate-seal-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'state')
}

describe('the sealing keys of a state folder', () => {
  test('are made once, for their owner alone, and found again', (t) => {
    const stateDir = temporary(t)
    const keys = openSealingKeys(stateDir)
    assert.equal(keys.length, 1)
    assert.equal(statSync(sealingKeysFile(stateDir)).mode & 0o777, 0o600)
    assert.deepEqual(openSealingKeys(stateDir).map(String), keys.map(String))
    assert.deepEqual(readdirSync(stateDir), ['sealing-keys'])
  })

  test('open after a rotation what was sealed before it, three times over', (t) => {
    const stateDir = temporary(t)
    const handle = createSealer(...openSealingKeys(stateDir)).seal('v', ['x'])
    for (const count of [2, 3, 4, 4]) {
      const before = createSealer(...openSealingKeys(stateDir)).open(handle, ['x'])
      assert.equal(before, 'v')
      assert.equal(rotateSealingKeys(stateDir), count)
    }
    assert.equal(createSealer(...openSealingKeys(stateDir)).open(handle, ['x']), undefined)
  })

  test('are those of the configuration where it has some, and random ones where none can be kept', (t) => {
    const stateDir = temporary(t)
    const logged: string[] = []
    const keysOf = (dir: string | undefined, keys: readonly Uint8Array[] = []): readonly string[] =>
      sealingKeys({ keys }, dir, (level, message) => void logged.push(`${level} ${message}`)).map(String)
    const own = [randomKey(), randomKey()]
    assert.deepEqual(keysOf(stateDir, own), own.map(String))
    assert.ok(!existsSync(stateDir))
    assert.notDeepEqual(keysOf(undefined), keysOf(undefined))
    assert.deepEqual(keysOf(stateDir), keysOf(stateDir))
    assert.deepEqual(logged, [])
    writeFileSync(sealingKeysFile(stateDir), 'hunter2')
    assert.notDeepEqual(keysOf(stateDir), keysOf(stateDir))
    assert.match(logged[0] ?? '', /^warn The sealing keys cannot be kept/)
  })

  test('are not guessed where the file is something else', (t) => {
    const stateDir = temporary(t)
    openSealingKeys(stateDir)
    for (const text of ['', 'hunter2\n', `${'A'.repeat(43)}\n`, `${'A'.repeat(44)}\n`]) {
      writeFileSync(sealingKeysFile(stateDir), text)
      assert.throws(
        () => openSealingKeys(stateDir),
        /^Error: (is empty|holds something else than sealing keys)$/,
      )
      assert.throws(() => rotateSealingKeys(stateDir))
      assert.equal(readFileSync(sealingKeysFile(stateDir), 'utf8'), text)
    }
  })
})
