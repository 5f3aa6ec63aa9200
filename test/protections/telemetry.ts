import type { Protection } from './protection.ts'

const CONTEXT = 'src/protocol/trace-context.test.ts'
const REDACT = 'src/telemetry/redact.test.ts'
const ACCESS = 'src/telemetry/access-log.test.ts'
const TRACES = 'test/traces.test.ts'

/** What logs, spans and the access log must not tell, and what callers must not make of them. */
export const telemetry: readonly Protection[] = [
  {
    against: 'secrets by their names in arguments that are told',
    file: 'src/telemetry/redact.ts',
    find: 'if (isHidden(name)) return [name, HIDDEN]',
    replace: '',
    test: REDACT,
    fails: 'is without secrets, by their names',
  },
  {
    against: 'secrets by their looks in arguments that are told',
    file: 'src/telemetry/redact.ts',
    find: 'if (isKnownKey(text) || PEM.test(text) || BEARER.test(text)) return HIDDEN',
    replace: '',
    test: REDACT,
    fails: 'is without texts that look like secrets',
  },
  {
    against: 'values below a path that is to be hidden',
    file: 'src/telemetry/redact.ts',
    find: 'if (isAtEnd(paths)) return HIDDEN',
    replace: '',
    test: REDACT,
    fails: 'is without what a path leads to',
  },
  {
    against: 'arguments that nobody wanted told',
    file: 'src/telemetry/access-json.ts',
    find: "options.arguments ? member(params, 'arguments') : undefined",
    replace: "member(params, 'arguments')",
    test: ACCESS,
    fails: 'has arguments and results only where',
  },
  {
    against: 'secrets in URIs',
    file: 'src/telemetry/subject.ts',
    find: "uri.replace(/[?#].*$/s, '')",
    replace: 'uri',
    test: ACCESS,
    fails: 'has neither query nor user',
  },
  {
    against: 'names that steer the terminal of the operator',
    file: 'src/telemetry/access-pretty.ts',
    find: String.raw`text.replaceAll(/\p{C}/gu, '?')`,
    replace: 'text',
    test: ACCESS,
    fails: 'cannot steer the terminal',
  },
  {
    against: 'an access log that others on the machine read',
    file: 'src/telemetry/log-file.ts',
    find: 'const MODE = 0o600',
    replace: 'const MODE = 0o644',
    test: 'src/telemetry/log-file.test.ts',
    fails: 'are there in their order, and nobody but the owner',
  },
  {
    against: 'what callers wrote, in the log',
    file: 'src/filters/observe.ts',
    find: 'status, code })',
    replace: 'status, code: error.message })',
    test: 'src/filters/observe.test.ts',
    fails: 'counts and logs refusals',
  },
  {
    against: "a backend's words in reasons",
    file: 'src/backend/detect.ts',
    find: '`refused initialize with error ${message.code}`',
    replace: '`refused initialize with error ${message.code}: ${message.message}`',
    test: 'src/backend/detect.test.ts',
    fails: 'that the server refuses says how',
  },
  {
    against: "a backend's words in spans",
    file: 'src/telemetry/spans.ts',
    find: "if (outcome.kind === 'error') return { word: code, attributes }",
    replace: "if (outcome.kind === 'error') return { word: outcome.message, attributes }",
    test: TRACES,
    fails: "has the code of a backend's error",
  },
  {
    against: 'ids of zeros, which join the traces of strangers',
    file: 'src/protocol/trace-context.ts',
    find: 'if (traceId === NO_TRACE || spanId === NO_SPAN) return undefined',
    replace: '',
    test: CONTEXT,
    fails: 'is none with an id of a trace of zeros',
  },
  {
    against: 'headers inside of a tracestate',
    file: 'src/protocol/trace-context.ts',
    find: 'if (!members.every((member) => STATE.test(member))) return undefined',
    replace: '',
    test: CONTEXT,
    fails: 'never holds what a header cannot',
  },
  {
    against: 'backends that learn who calls from baggage',
    file: 'src/telemetry/trace.ts',
    find: 'this.#baggage !== undefined && anyMatches(this.#policy.baggage, backend)',
    replace: 'this.#baggage !== undefined && anyMatches !== undefined',
    test: TRACES,
    fails: 'has baggage for those backends only',
  },
]
