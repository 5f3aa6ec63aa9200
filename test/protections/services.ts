import type { Protection } from './protection.ts'

const HOSTILE = 'test/hostile/backends-rest.test.ts'
const REST = 'test/rest.test.ts'
const ANSWER = 'src/backend/adapters/rest/answer.ts'
const EXCHANGE = 'src/backend/adapters/rest/exchange.ts'

/** What the adapter of plain services protects against. */
export const services: readonly Protection[] = [
  {
    against: 'names of tools that leave their path',
    file: 'src/protocol/path-segment.ts',
    find: ' || DOTS.test(name)',
    replace: '',
    test: REST,
    fails: 'stays one segment of the path',
  },
  {
    against: 'names of tools that are several segments',
    file: 'src/protocol/path-segment.ts',
    find: 'encodeURIComponent(name)',
    replace: 'name',
    test: REST,
    fails: 'stays one segment of the path',
  },
  {
    against: 'words of services about credentials',
    file: ANSWER,
    find: ' && !OF_THE_SERVICE.has(status)',
    replace: '',
    test: HOSTILE,
    fails: '403',
  },
  {
    against: 'answers without end',
    file: EXCHANGE,
    find: 'this.#received <= maxBytes',
    replace: 'true',
    test: HOSTILE,
    fails: 'JSON without end',
  },
  {
    against: 'refusals without end',
    file: EXCHANGE,
    find: 'if (this.#received > LONGEST_REFUSAL) this.#answerEarly(this.#chunks)',
    replace: '',
    test: HOSTILE,
    fails: '400 without end',
  },
  {
    against: 'compressed answers',
    file: EXCHANGE,
    find: "if (encoding === 'identity') return",
    replace: 'if (encoding) return',
    test: HOSTILE,
    fails: 'compressed content',
  },
  {
    against: 'hints of strangers',
    file: 'src/config/to-config.ts',
    find: "if (rest.tools === undefined) return { ...http, transport: 'rest', tools: undefined, refresh: rest.refresh }",
    replace:
      "if (rest.tools === undefined) return { ...http, transport: 'rest', tools: undefined, refresh: rest.refresh, resilience: { ...http.resilience, trustAnnotations: true } }",
    test: REST,
    fails: 'says of itself what it likes',
  },
]
