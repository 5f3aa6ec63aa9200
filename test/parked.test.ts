// Calls of legacy backends that wait for their clients: resumed and never sent again, bounded, bound to their call.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type House, gateway } from './language/house.ts'
import { legacyServer, v1Server } from './language/http-backend.ts'
import { type Journal, eventually } from './language/journal.ts'
import type { RawAnswer, RawOptions, RpcMessage } from './language/raw.ts'
import type { Configured, Scope } from './language/scope.ts'
import { type Arguments, INTERACTIVE, type Sighting } from './language/stage.ts'
import { stdioServer } from './language/stdio-backend.ts'

interface Asking extends Configured {
  readonly journal: Journal<Sighting>
  /** Ends the server and everything that it knows. */
  kill(): Promise<void>
  /** Brings it back, where it does not come back by itself. */
  revive(): Promise<void>
}

const script = { tools: INTERACTIVE }

/** Every kind of legacy server. */
const SERVERS: Readonly<Record<string, (scope: Scope) => Promise<Asking>>> = {
  http: async (scope) => {
    const server = await legacyServer(scope, script)
    return { ...server, kill: async () => server.stop(), revive: async () => server.start() }
  },
  'http of the first SDK': async (scope) => {
    const server = await v1Server(scope, script)
    return { ...server, kill: async () => server.stop(), revive: async () => server.start() }
  },
  stdio: async (scope) => {
    const server = await stdioServer(scope, 'legacy', script)
    return {
      ...server,
      async kill() {
        const running = server.running()
        running.forEach((pid) => process.kill(pid, 'SIGKILL'))
        await Promise.all(
          running.map(async (pid) =>
            server.lives.until((life) => life.event === 'ended' && life.pid === pid),
          ),
        )
      },
      revive: async () => undefined,
    }
  },
}

const CAPABLE = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }

/** A gateway in front of one such server, and a modern client that does by hand what clients do. */
interface Desk {
  readonly server: Asking
  readonly house: House
  /** Calls the tool that asks; with `params` of a retry, perhaps. */
  readonly ask: (who: string, params?: Arguments, options?: RawOptions) => Promise<RawAnswer>
  /** Calls it for the first time: what is to be brought back. */
  readonly begin: (who: string) => Promise<Pending>
  readonly count: (kind: 'call' | 'cancelled' | 'answered', who: string) => number
}

interface Pending {
  readonly requestState: string
  readonly inputResponses: Arguments
}

async function desk(
  scope: Scope,
  kind: string,
  limits: Readonly<Record<string, unknown>> = {},
): Promise<Desk> {
  const server = await (SERVERS[kind] ?? assert.fail(kind))(scope)
  const house = await gateway({ backends: { backend: server }, gateway: { limits } })
  scope.after(async () => house.close())
  const ask: Desk['ask'] = async (who, params = {}, options = {}) =>
    house.raw.modern(
      'tools/call',
      { name: 'ask', arguments: { who }, _meta: CAPABLE, ...params },
      { route: 'backend', ...options },
    )
  return {
    server,
    house,
    ask,
    async begin(who) {
      const { response } = await ask(who)
      const { resultType, inputRequests, requestState } = response.result ?? {}
      assert.equal(resultType, 'input_required', JSON.stringify(response))
      const requests = inputRequests as Readonly<Record<string, { readonly params: Arguments }>>
      const [key = '', ...others] = Object.keys(requests)
      assert.deepEqual(others, [])
      assert.equal(requests[key]?.params['message'], `who is ${who}?`)
      return {
        requestState: String(requestState),
        inputResponses: { [key]: { action: 'accept', content: { name: who } } },
      }
    },
    count: (kind, who) => server.journal.count((entry) => entry.kind === kind && entry.args['who'] === who),
  }
}

function textOf({ result, error }: RpcMessage): string {
  if (error !== undefined) return `error ${error.code} ${String(error.data?.['code'])}`
  const [content] = (result?.['content'] ?? []) as readonly { readonly text: string }[]
  return content?.text ?? JSON.stringify(result)
}

for (const kind of Object.keys(SERVERS)) {
  describe(`a parked call of a legacy server over ${kind}`, () => {
    test('is executed once, however often the retry is sent: at once, again later, and lost on the way', async (t) => {
      const { ask, begin, count } = await desk(t, kind)
      const pending = await begin('ann')
      const lost = new AbortController()
      const gone = ask('ann', { ...pending }, { signal: lost.signal }).catch(() => undefined)
      const both = Promise.all([
        ask('ann', { ...pending }, { id: 2 }),
        ask('ann', { ...pending }, { id: 'c' }),
      ])
      lost.abort()
      const answers = [...(await both), await ask('ann', { ...pending }, { id: 4 })]
      await gone
      for (const { response } of answers) assert.match(textOf(response), /: ann: accept \{"name":"ann"\}$/)
      assert.deepEqual(
        answers.map(({ response }) => response.id),
        [2, 'c', 4],
      )
      assert.deepEqual([count('call', 'ann'), count('answered', 'ann')], [1, 1])
    })

    test('asks again for what the retry does not bring', async (t) => {
      const { ask, begin, count } = await desk(t, kind)
      const pending = await begin('bea')
      const again = await ask('bea', { requestState: pending.requestState, inputResponses: { other: {} } })
      const { inputRequests, requestState } = again.response.result ?? {}
      assert.deepEqual(Object.keys(inputRequests as object), Object.keys(pending.inputResponses))
      const { inputResponses } = pending
      const { response } = await ask('bea', { inputResponses, requestState })
      assert.match(textOf(response), /: bea: accept/)
      assert.equal(count('call', 'bea'), 1)
    })

    test('whose client never returns is ended in time, in the server too', async (t) => {
      const { server, ask, begin, count } = await desk(t, kind, { parkTime: '300ms' })
      const pending = await begin('cid')
      // The server is told that nobody answers, and that the call is cancelled: whichever it acts on first ends it.
      await server.journal.until(
        (entry) => (entry.kind === 'cancelled' || entry.kind === 'answered') && entry.args['who'] === 'cid',
      )
      const late = await ask('cid', { ...pending })
      assert.notEqual(late.response.error, undefined, 'what comes too late is told so')
      assert.equal(count('call', 'cid'), 1)
      const next = await begin('cid')
      assert.match(textOf((await ask('cid', { ...next })).response), /: cid: accept/)
    })

    test('takes one of a limited number of places until it ends', async (t) => {
      const { ask, begin } = await desk(t, kind, { parked: 1 })
      const pending = await begin('dan')
      assert.match(textOf((await ask('eve')).response), /TOO_MANY/)
      assert.match(textOf((await ask('dan', { ...pending })).response), /: dan: accept/)
      const next = await begin('eve')
      assert.match(textOf((await ask('eve', { ...next })).response), /: eve: accept/)
    })

    test('leaves the places of other strangers alone', async (t) => {
      const { ask, begin, house } = await desk(t, kind, { parked: 1 })
      await begin('una')
      const client = await house.client('legacy', {
        elicit: async () => ({ action: 'accept', content: { name: 'vic' } }),
      })
      assert.match((await client.call('backend_ask', { who: 'vic' })).text, /: vic: accept/)
      assert.match(textOf((await ask('wim')).response), /TOO_MANY/)
    })

    test('takes one of the places that there are over all', async (t) => {
      const { begin, house } = await desk(t, kind, { parkedTotal: 1 })
      await begin('xia')
      const client = await house.client('legacy', { elicit: async () => ({ action: 'cancel' }) })
      const refused = await client.call('backend_ask', { who: 'yan' }).catch(String)
      assert.match(JSON.stringify(refused), /Too many calls wait/)
    })

    test('ends with an error when its server is killed, and the next call is served', async (t) => {
      const { server, ask, begin, house } = await desk(t, kind)
      const pending = await begin('fay')
      await server.kill()
      const { response } = await ask('fay', { ...pending })
      assert.notEqual(response.error, undefined, textOf(response))
      await server.revive()
      await eventually('the backend serves again', async () => {
        const again = await house.raw.modern('tools/call', { name: 'echo' }, { route: 'backend' })
        return again.response.error === undefined
      })
      const next = await begin('fay')
      assert.match(textOf((await ask('fay', { ...next })).response), /: fay: accept/)
    })
  })
}

test('a request state is good for its own call and for nothing else', async (t) => {
  const { ask, begin, count, house } = await desk(t, 'http')
  const { requestState, inputResponses } = await begin('gil')
  const refuses = async (params: Arguments, who = 'gil'): Promise<void> => {
    const { response } = await ask(who, { requestState, inputResponses, ...params })
    assert.equal(response.error?.code, -32602, textOf(response))
  }
  const letters = [...'ABCXYZabcxyz0189-_=+/ .']
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.constantFrom(...letters), async (where, letter) => {
      const at = where % requestState.length
      fc.pre(requestState[at] !== letter)
      await refuses({ requestState: requestState.slice(0, at) + letter + requestState.slice(at + 1) })
    }),
    { numRuns: 60 },
  )
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (where) =>
      refuses({ requestState: requestState.slice(0, where % requestState.length) || '.' }),
    ),
    { numRuns: 20 },
  )
  await refuses({}, 'hal')
  await refuses({ arguments: { who: 'gil', more: true } })
  await refuses({ name: 'echo' })
  const elsewhere = await house.raw.modern('tools/call', {
    name: 'backend_echo',
    arguments: { who: 'gil' },
    _meta: CAPABLE,
    requestState,
    inputResponses,
  })
  assert.equal(elsewhere.response.error?.code, -32602, textOf(elsewhere.response))
  assert.equal(count('call', 'gil'), 1, 'none of this may reach the backend')
  const { response } = await ask('gil', { requestState, inputResponses })
  assert.match(textOf(response), /: gil: accept/)
  assert.equal(count('call', 'gil'), 1)
})

test('calls of one session that could be mistaken for each other run one at a time where that is configured', async (t) => {
  const server = await stdioServer(t, 'legacy', script)
  const settings = { ...server.settings, interactive: 'serial', isolation: 'principal' }
  const house = await gateway({ backends: { backend: { settings } } })
  t.after(async () => house.close())
  const asked: string[] = []
  const client = await house.client('legacy', {
    async elicit(message) {
      asked.push(message)
      assert.equal(asked.length % 2, 1, 'the second question comes after the first is answered')
      await new Promise((resolve) => setImmediate(resolve))
      asked.push('answered')
      return { action: 'accept', content: { name: message } }
    },
  })
  const answers = await Promise.all(
    ['ina', 'jon', 'kay'].map(async (who) => client.call('backend_ask', { who })),
  )
  for (const [index, who] of ['ina', 'jon', 'kay'].entries())
    assert.match(
      answers[index]?.text ?? '',
      new RegExp(`: ${who}: accept \\{"name":"\\[backend\\] who is ${who}\\?"\\}$`),
    )
  assert.equal(asked.length, 6)
})
