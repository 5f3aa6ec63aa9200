import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../pipeline/clock.ts'
import { getJson } from './outbound.ts'

const answering = (response: Response) => (): Promise<Response> => Promise.resolve(response)

test('an answer that is too large is not read to its end', async () => {
  const text = JSON.stringify({ padding: 'x'.repeat(300_000) })
  await assert.rejects(
    getJson(answering(new Response(text)), 'https://a.example', systemClock),
    /larger than/,
  )
})

test('an answer is an object of JSON with status 200, or an error that does not repeat it', async () => {
  const { value } = await getJson(answering(Response.json({ a: 1 })), 'https://a.example', systemClock)
  assert.deepEqual(value, { a: 1 })
  for (const response of [
    new Response('secret', { status: 200 }),
    new Response('secret', { status: 500 }),
    new Response(null),
  ]) {
    await assert.rejects(getJson(answering(response), 'https://a.example', systemClock), (error) => {
      assert.ok(error instanceof Error && !error.message.includes('secret'))
      return true
    })
  }
})
