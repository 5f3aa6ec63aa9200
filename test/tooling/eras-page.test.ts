/** docs/eras.md names a test for each behaviour: the tests must exist under these names. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

const root = new URL('../../', import.meta.url)

/** Rows of the page's tables, without their heads. */
async function rows(): Promise<readonly (readonly string[])[]> {
  const page = await readFile(new URL('docs/eras.md', root), 'utf8')
  return page
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\| (-|What cannot)/u.test(line))
    .map((line) => line.split('|').slice(1, -1))
}

test('every test that the page of the eras names exists', async () => {
  let found = 0
  for (const [, , tests = ''] of await rows()) {
    let source = ''
    for (const part of tests.split(';')) {
      const { file, title = '' } =
        /^\s*(?:`(?<file>[^`]+\.test\.ts)`:? ?)?(?<title>.*?)\s*$/u.exec(part)?.groups ?? {}
      if (file !== undefined) source = await readFile(new URL(file, root), 'utf8')
      if (source === '') continue
      for (const piece of title.split('…')) assert.ok(source.includes(piece.trim()), part)
      found++
    }
  }
  assert.ok(found > 20, `only ${found} tests were found on the page`)
})

test('every row says what cannot be done, what is done instead, and by what it is held', async () => {
  for (const row of await rows()) {
    const filled = row.map((cell) => cell.trim() !== '')
    assert.deepEqual(filled, [true, true, true], row.join('|'))
  }
})
