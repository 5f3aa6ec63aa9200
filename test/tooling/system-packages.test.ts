import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findProgram, howToInstall, programForTests } from '../../scripts/system-packages.ts'

const NEVER = {
  purpose: 'these tests',
  names: ['no-such-server', 'nor-this-one'],
  aptPackage: 'no-such',
  brewPackage: '',
}

test('a program is found by any of its names, the best first', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'toolgate-path-'))
  t.after(async () => rm(folder, { recursive: true }))
  const env = { PATH: `/nowhere:${folder}` }
  assert.equal(findProgram(NEVER, env), undefined)
  await writeFile(join(folder, 'no-such-server'), '')
  assert.equal(findProgram(NEVER, env), undefined, 'it cannot be run')
  await writeFile(join(folder, 'nor-this-one'), '')
  await chmod(join(folder, 'nor-this-one'), 0o755)
  assert.equal(findProgram(NEVER, env), join(folder, 'nor-this-one'))
  await chmod(join(folder, 'no-such-server'), 0o755)
  assert.equal(findProgram(NEVER, env), join(folder, 'no-such-server'))
})

test('what is missing is said, and on CI nothing is skipped for it', () => {
  assert.equal(programForTests(NEVER, { PATH: '' }), undefined)
  assert.throws(
    () => programForTests(NEVER, { PATH: '', CI: 'true' }),
    /no-such-server or nor-this-one is not/,
  )
  assert.match(howToInstall(NEVER), /these tests need it: apt-get install no-such/)
})
