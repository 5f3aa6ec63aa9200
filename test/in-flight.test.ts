// What belongs to one call stays with it: progress, cancellation, answers. Every client × every kind of server.
import assert from 'node:assert/strict'
import { before, beforeEach, suite, test } from 'node:test'
import { GENERATIONS } from './language/client.ts'
import { type House, gateway } from './language/house.ts'
import { legacyServer, modernServer, v1Server } from './language/http-backend.ts'
import type { Journal } from './language/journal.ts'
import { type Configured, fileScope } from './language/scope.ts'
import type { Sighting } from './language/stage.ts'
import { stdioServer } from './language/stdio-backend.ts'

interface Observed extends Configured {
  readonly journal: Journal<Sighting>
  release(): void
}

const KINDS = ['modern', 'legacy', 'first', 'pipe-modern', 'pipe-legacy', 'pipe-first'] as const

const scope = fileScope()
let backends: Readonly<Record<(typeof KINDS)[number], Observed>>
let house: House

before(async () => {
  backends = {
    modern: await modernServer(scope),
    legacy: await legacyServer(scope),
    first: await v1Server(scope),
    'pipe-modern': await stdioServer(scope, 'modern'),
    'pipe-legacy': await stdioServer(scope, 'legacy'),
    'pipe-first': await stdioServer(scope, 'v1'),
  }
  house = await gateway({ backends })
  scope.after(async () => house.close())
})

/** Fits what a backend saw of the call with that argument `who`. */
const saw = (kind: 'call' | 'cancelled' | 'answered', who: string) => (entry: Sighting) =>
  entry.kind === kind && entry.args['who'] === who

let run = 0

for (const kind of KINDS) {
  for (const generation of GENERATIONS) {
    suite(`a ${generation} client before a ${kind} backend`, () => {
      let backend: Observed
      /** Tells the calls of this test from those of all others. */
      let me: string
      beforeEach(() => {
        backend = backends[kind]
        me = `${++run}`
      })

      test('gets the progress of its own call and of no other', async () => {
        await using a = await house.client(generation)
        await using b = await house.client(generation, { route: kind })
        await using c = await house.client(generation)
        const seen: Record<string, number[]> = { a: [], b: [] }
        const answers = await Promise.all([
          a.call(
            `${kind}_progress`,
            { who: `a${me}`, steps: 4 },
            { onProgress: ({ progress }) => void seen['a']?.push(progress) },
          ),
          b.call(
            'progress',
            { who: `b${me}`, steps: 2 },
            { onProgress: ({ progress }) => void seen['b']?.push(progress) },
          ),
          c.call(`${kind}_progress`, { who: `c${me}`, steps: 3 }),
        ])
        assert.deepEqual(
          answers.map(({ text }) => text.replace(/^.*: /, '')),
          ['4 steps', '2 steps', '3 steps'],
        )
        assert.deepEqual(seen, { a: [1, 2, 3, 4], b: [1, 2] })
        const tokens = await Promise.all(
          ['a', 'b', 'c'].map(async (who) => {
            const call = await backend.journal.until(saw('call', who + me))
            return call.kind === 'call' ? call.meta['progressToken'] : undefined
          }),
        )
        // Two of these clients chose the same token; the backend must be able to tell them apart.
        assert.notEqual(tokens[0], undefined)
        assert.notEqual(tokens[1], undefined)
        assert.notEqual(tokens[0], tokens[1])
        assert.equal(tokens[2], undefined, 'nobody asked for progress of the third call')
      })

      test('cancels its call at the backend, and only that one', async () => {
        await using a = await house.client(generation)
        await using b = await house.client(generation)
        const stop = new AbortController()
        const mine = a.call(`${kind}_wait`, { who: `a${me}` }, { signal: stop.signal })
        const theirs = b.call(`${kind}_wait`, { who: `b${me}` })
        await Promise.all(['a', 'b'].map(async (who) => backend.journal.until(saw('call', who + me))))
        stop.abort()
        await assert.rejects(mine)
        await backend.journal.until(saw('cancelled', `a${me}`))
        backend.release()
        assert.match((await theirs).text, /: released$/)
        assert.equal(backend.journal.count(saw('cancelled', `b${me}`)), 0)
        assert.match((await a.call(`${kind}_echo`, { who: `c${me}` })).text, /"c\d+"/)
      })
    })
  }
}

test('calls with equal ids and tokens from different clients never cross', async () => {
  for (const kind of KINDS) {
    const names = Array.from({ length: 12 }, (_, index) => `${kind}-${index}`)
    const answers = await Promise.all(
      names.map(async (who) =>
        house.raw.modern(
          'tools/call',
          { name: `${kind}_progress`, arguments: { who, steps: 2 }, _meta: { progressToken: 'same' } },
          { id: 7 },
        ),
      ),
    )
    for (const { status, messages, response } of answers) {
      assert.equal(status, 200)
      assert.equal(response.id, 7)
      assert.deepEqual(
        messages
          .slice(0, -1)
          .map(({ method, params }) => [method, params?.['progressToken'], params?.['progress']]),
        [
          ['notifications/progress', 'same', 1],
          ['notifications/progress', 'same', 2],
        ],
      )
    }
    const echoes = await Promise.all(
      names.map(async (who) => house.raw.modern('tools/call', { name: `${kind}_echo`, arguments: { who } })),
    )
    echoes.forEach(({ response }, index) =>
      assert.match(JSON.stringify(response.result), new RegExp(`\\\\"${names[index]}\\\\"`)),
    )
  }
})

test('twenty clients of every generation at once get their own answers', async () => {
  const clients = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => house.client(GENERATIONS[index % 4] ?? 'v1')),
  )
  const asked = clients.flatMap((client, index) =>
    KINDS.map((kind) => ({ client, kind, who: `many-${kind}-${index}` })),
  )
  const answers = await Promise.all(
    asked.map(async ({ client, kind, who }) => client.call(`${kind}_echo`, { who })),
  )
  answers.forEach(({ text }, index) => assert.match(text, new RegExp(`"who":"${asked[index]?.who}"\\}$`)))
})
