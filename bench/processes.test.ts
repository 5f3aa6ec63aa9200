import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launchUntilReady } from './processes.ts'

const node = (program: string): readonly string[] => [process.execPath, '-e', program]

test('launchUntilReady: waits for the ready line among others, and stop ends the process', async () => {
  const url = 'http://127.0.0.1:1/mcp'
  const program = `console.log('hello'); console.log('{"event":"ready","url":"${url}"}'); setInterval(() => {}, 1e6)`
  const launched = await launchUntilReady('load', node(program), process.cwd())
  assert.equal(launched.url, url)
  assert.equal(process.kill(launched.pid, 0), true)
  await launched.stop()
  assert.throws(() => process.kill(launched.pid, 0), /ESRCH/)
})

test('launchUntilReady: a program that ends first is an error with what it said', async () => {
  const program = `console.error('no such option'); process.exit(3)`
  await assert.rejects(
    launchUntilReady('load', node(program), process.cwd()),
    /ended with 3 before it was ready:\nno such option/,
  )
})

test('launchUntilReady: a program that is not there is an error', async () => {
  await assert.rejects(launchUntilReady('load', ['no-such-gateway'], process.cwd()), /no-such-gateway/)
})
