// Calls that need something of the user: every client × every kind of server, several users at once.
import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import {
  type Elicited,
  GENERATIONS,
  type Generation,
  type TestClient,
  type ToolAnswer,
} from './language/client.ts'
import { type House, gateway } from './language/house.ts'
import { legacyServer, modernServer, v1Server } from './language/http-backend.ts'
import { type Journal, createJournal } from './language/journal.ts'
import { type Configured, fileScope } from './language/scope.ts'
import { INTERACTIVE, type Sighting } from './language/stage.ts'
import { stdioServer } from './language/stdio-backend.ts'

interface Observed extends Configured {
  readonly journal: Journal<Sighting>
}

const KINDS = ['modern', 'legacy', 'first', 'pipe-modern', 'pipe-legacy', 'pipe-first'] as const

const scope = fileScope()
let backends: Readonly<Record<(typeof KINDS)[number], Observed>>
let house: House

before(async () => {
  const script = { tools: INTERACTIVE }
  backends = {
    modern: await modernServer(scope, script),
    legacy: await legacyServer(scope, script),
    first: await v1Server(scope, script),
    'pipe-modern': await stdioServer(scope, 'modern', script),
    'pipe-legacy': await stdioServer(scope, 'legacy', script),
    'pipe-first': await stdioServer(scope, 'v1', script),
  }
  house = await gateway({ backends })
  scope.after(async () => house.close())
})

/** A client with somebody in front of it, who sees questions and answers when the test says so. */
interface User {
  readonly client: TestClient
  /** Every question so far, in order. */
  readonly questions: Journal<string>
  answer(answer: Elicited): void
}

const named = (name: string): Elicited => ({ action: 'accept', content: { name } })

async function userOf(generation: Generation, route?: string): Promise<User> {
  const questions = createJournal<string>(`the questions to a ${generation} client`)
  const waiting: PromiseWithResolvers<Elicited>[] = []
  let next = 0
  const elicit = async (message: string): Promise<Elicited> => {
    const answer = Promise.withResolvers<Elicited>()
    waiting.push(answer)
    questions.record(message)
    return answer.promise
  }
  return {
    client: await house.client(generation, { elicit, ...(route !== undefined && { route }) }),
    questions,
    answer: (answer) => waiting[next++]?.resolve(answer),
  }
}

/** Waits until a user is asked about `who`; a call that ends before fails at once. */
async function asked(user: User, who: string, call: Promise<ToolAnswer> | undefined): Promise<void> {
  const early = async (): Promise<never> => {
    const answer = await call
    throw new Error(`the call ended without a question: ${answer?.text}`)
  }
  await Promise.race([user.questions.until((text) => text.includes(`who is ${who}?`)), early()])
}

let run = 0

/** A name that nobody else has. */
const somebody = (name: string): string => `${name}${++run}`

/** Fits what a backend saw of the call for `who`. */
const saw = (kind: 'call' | 'cancelled' | 'answered', who: string) => (entry: Sighting) =>
  entry.kind === kind && entry.args['who'] === who

for (const kind of KINDS) {
  for (const generation of GENERATIONS) {
    suite(`a ${generation} client before a ${kind} backend that asks`, () => {
      test('two users at once answer their own questions, in whatever order', async () => {
        const [a, b] = [somebody('alice'), somebody('bob')]
        const alice = await userOf(generation)
        const bob = await userOf(generation, kind)
        const calls = [alice.client.call(`${kind}_ask`, { who: a }), bob.client.call('ask', { who: b })]
        await Promise.all([asked(alice, a, calls[0]), asked(bob, b, calls[1])])
        bob.answer(named('Bob'))
        assert.match((await calls[1])?.text ?? '', new RegExp(`: ${b}: accept \\{"name":"Bob"\\}$`))
        alice.answer(named('Alice'))
        assert.match((await calls[0])?.text ?? '', new RegExp(`: ${a}: accept \\{"name":"Alice"\\}$`))
        // Whoever sees all backends as one server is told which of them asks.
        assert.deepEqual(alice.questions.entries, [`[${kind}] who is ${a}?`])
        assert.deepEqual(bob.questions.entries, [`who is ${b}?`])
        const { journal } = backends[kind]
        assert.deepEqual(
          [a, b].map((who) => journal.count(saw('answered', who))),
          [1, 1],
        )
        // A legacy server waits with the call; a modern one is called again, with the answer.
        const times = kind.endsWith('modern') ? 2 : 1
        assert.deepEqual(
          [a, b].map((who) => journal.count(saw('call', who))),
          [times, times],
        )
      })

      test('what is declined is declined to the backend', async () => {
        const who = somebody('carol')
        const carol = await userOf(generation)
        const call = carol.client.call(`${kind}_ask`, { who })
        await asked(carol, who, call)
        carol.answer({ action: 'decline' })
        assert.match((await call).text, new RegExp(`: ${who}: decline \\{\\}$`))
      })

      test('a client that cannot be asked is not asked, and the call ends', async () => {
        const mute = await house.client(generation)
        const who = somebody('dumb')
        const ended = await mute.call(`${kind}_ask`, { who }).then(
          (answer) => answer.isError,
          () => true,
        )
        assert.equal(ended, true)
        assert.equal(backends[kind].journal.count(saw('call', who)) <= 1, true)
      })
    })
  }
}
