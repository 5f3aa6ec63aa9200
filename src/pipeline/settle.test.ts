import assert from 'node:assert/strict'
import { test } from 'node:test'
import { onceEnded, settling } from './settle.ts'

test('what has to be done once work has ended is done before anybody hears of it, however it ended', async () => {
  const heard: string[] = []
  const end = (): void => void heard.push('end')
  assert.equal(await onceEnded(Promise.resolve(1), end).finally(() => heard.push('heard')), 1)
  const failed = new Error('failed')
  await assert.rejects(
    onceEnded(Promise.reject(failed), end).finally(() => heard.push('heard')),
    failed,
  )
  assert.deepEqual(heard, ['end', 'heard', 'end', 'heard'])
})

test('what work throws at once is a rejection', async () => {
  assert.equal(await settling((about) => Promise.resolve(about), 1), 1)
  const thrown = new Error('at once')
  const work = (): Promise<void> => {
    throw thrown
  }
  await assert.rejects(settling(work, undefined), thrown)
})
