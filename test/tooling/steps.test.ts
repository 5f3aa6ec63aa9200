/** `npm test` must notice what fails, show what it said, and count tests as Node's runner does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runStep, totalsOf, type Command } from '../../scripts/steps.ts'

const script = (source: string): Command => [process.execPath, '--eval', source]
const run = (...commands: Command[]) => runStep({ name: 'step', title: 'a step', commands }, process.cwd())

test('a step keeps what its commands print on both outputs', async () => {
  const { ok, output } = await run(script("console.log('one')"), script("console.error('two')"))
  assert.deepEqual([ok, output], [true, 'one\ntwo\n'])
})

test('a step ends with the first command that fails', async () => {
  const { ok, output } = await run(
    script("console.log('one'); process.exit(3)"),
    script("console.log('two')"),
  )
  assert.deepEqual([ok, output], [false, 'one\n'])
})

test('a command that dies by a signal has failed', async () => {
  assert.equal((await run(script("process.kill(process.pid, 'SIGKILL')"))).ok, false)
})

test('a command that cannot be started has failed, and says so', async () => {
  const { ok, output } = await run(['./no-such-command'])
  assert.equal(ok, false)
  assert.match(output, /no-such-command/)
})

test('cancelled tests count as failed', () => {
  assert.deepEqual(totalsOf('ℹ tests 6\nℹ pass 3\nℹ fail 1\nℹ cancelled 2\nℹ skipped 0\n'), {
    passed: 3,
    failed: 3,
  })
})

test('a step without tests has no totals', () => {
  assert.equal(totalsOf('all fine\n'), undefined)
})
