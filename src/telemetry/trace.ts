import { type Glob, anyMatches } from '../config/glob.ts'
import type { Call } from '../pipeline/call.ts'
import type { CallTrace, SentTrace, TraceHeaders } from '../pipeline/trace.ts'
import { type JsonObject, member, stringOf } from '../protocol/json.ts'
import {
  RANDOM,
  SAMPLED,
  type TraceParent,
  drawId,
  isInSample,
  readBaggage,
  readTraceparent,
  readTracestate,
  writeTraceparent,
} from '../protocol/trace-context.ts'
import type { SpanReference } from './spans.ts'

/** The trace of a call, with what its spans need. */
export interface Traced extends CallTrace {
  readonly flags: number
  /** The caller's span; undefined where the trace begins here. */
  readonly parent: SpanReference | undefined
  /** The span of the HTTP request, where that is in another trace than the message; undefined otherwise. */
  readonly link: SpanReference | undefined
  readonly tracestate: string | undefined
}

/** Which calls are recorded, and who hears of baggage. */
export interface TracePolicy {
  /** From 0 to 1. */
  readonly sample: number
  /** Whether the decision of the caller is followed. */
  readonly follows: boolean
  readonly baggage: readonly Glob[]
  /** A number in [0, 1). */
  readonly random: () => number
}

interface Context {
  readonly parent: TraceParent
  readonly tracestate: string | undefined
}

/**
 * Finds out to which trace a call belongs, or begins one, and whether it is recorded. What the message itself says is
 * the parent (SEP-414; semantic conventions for MCP, "Context propagation"), and otherwise what its HTTP request says.
 * What is not well-formed was never there.
 */
export function traceOf(call: Call, policy: TracePolicy): Traced {
  const { message, trace: headers } = call
  const meta = member(message.params, '_meta')
  const said = meta?.kind === 'object' ? inMeta(message.text, meta) : undefined
  const own = contextOf(said)
  const transport = contextOf(headers)
  const context = own ?? transport
  const baggage = baggageOf(said) ?? baggageOf(headers)
  const link = own !== undefined && transport !== undefined ? linkTo(transport.parent, own.parent) : undefined
  return context === undefined ? begin(policy, baggage) : goOn(context, { policy, baggage, link })
}

/** The trace that the client of a call says it belongs to: 32 hexadecimal digits. */
export function traceIdOf({ message, trace: headers }: Call): string | undefined {
  const meta = member(message.params, '_meta')
  const said = meta?.kind === 'object' ? inMeta(message.text, meta) : undefined
  return (contextOf(said) ?? contextOf(headers))?.parent.traceId
}

/** Whether spans are to be made of a call. */
export function isRecorded(trace: CallTrace | undefined): trace is Traced {
  return trace instanceof TracedCall && trace.isSampled
}

/** Longer texts are none of these. */
const LONGEST = 8192

function inMeta(text: string, meta: JsonObject): TraceHeaders | undefined {
  const read = (name: string): string | undefined => {
    const node = member(meta, name)
    return node === undefined || node.end - node.start > LONGEST ? undefined : stringOf(text, node)
  }
  const traceparent = read('traceparent')
  const baggage = read('baggage')
  if (traceparent === undefined && baggage === undefined) return undefined
  return { traceparent, tracestate: read('tracestate'), baggage }
}

function contextOf(said: TraceHeaders | undefined): Context | undefined {
  if (said?.traceparent === undefined) return undefined
  const parent = readTraceparent(said.traceparent)
  if (parent === undefined) return undefined
  return { parent, tracestate: said.tracestate === undefined ? undefined : readTracestate(said.tracestate) }
}

function baggageOf(said: TraceHeaders | undefined): string | undefined {
  return said?.baggage === undefined ? undefined : readBaggage(said.baggage)
}

function linkTo(transport: TraceParent, parent: TraceParent): SpanReference | undefined {
  if (transport.traceId === parent.traceId && transport.spanId === parent.spanId) return undefined
  return { ...transport, isRemote: true }
}

/** Tells backends of an unrecorded trace too, so that they do not begin one of their own. */
function begin(policy: TracePolicy, baggage: string | undefined): Traced {
  const traceId = drawId(16, policy.random)
  const isSampled = policy.sample > 0 && isInSample(traceId, policy.sample)
  const flags = isSampled ? SAMPLED | RANDOM : RANDOM
  const spanId = drawId(8, policy.random)
  const context = { parent: undefined, link: undefined, tracestate: undefined }
  return new TracedCall({ traceId, spanId, flags, isSampled, ...context }, policy, baggage)
}

function goOn(
  { parent, tracestate }: Context,
  about: {
    readonly policy: TracePolicy
    readonly baggage: string | undefined
    readonly link: SpanReference | undefined
  },
): Traced {
  const { policy, baggage, link } = about
  const { traceId } = parent
  const wasSampled = (parent.flags & SAMPLED) !== 0
  const isSampled = policy.follows ? wasSampled : policy.sample > 0 && isInSample(traceId, policy.sample)
  // Nobody would know a span that is not recorded: what backends record belongs to the caller's.
  if (!isSampled)
    return new TracedCall({ ...parent, isSampled, parent: undefined, link, tracestate }, policy, baggage)
  const spanId = drawId(8, policy.random)
  const flags = (parent.flags & RANDOM) | SAMPLED
  const remote = { ...parent, isRemote: true }
  return new TracedCall(
    { traceId, spanId, flags, isSampled, parent: remote, link, tracestate },
    policy,
    baggage,
  )
}

class TracedCall implements Traced {
  readonly traceId: string
  readonly spanId: string
  readonly flags: number
  readonly isSampled: boolean
  readonly parent: SpanReference | undefined
  readonly link: SpanReference | undefined
  readonly tracestate: string | undefined
  readonly #policy: TracePolicy
  readonly #baggage: string | undefined

  constructor(about: Omit<Traced, 'sentTo'>, policy: TracePolicy, baggage: string | undefined) {
    this.traceId = about.traceId
    this.spanId = about.spanId
    this.flags = about.flags
    this.isSampled = about.isSampled
    this.parent = about.parent
    this.link = about.link
    this.tracestate = about.tracestate
    this.#policy = policy
    this.#baggage = baggage
  }

  sentTo(backend: string): SentTrace {
    const { traceId, flags, tracestate } = this
    const spanId = this.isSampled ? drawId(8, this.#policy.random) : undefined
    const baggage =
      this.#baggage !== undefined && anyMatches(this.#policy.baggage, backend) ? this.#baggage : undefined
    const traceparent = writeTraceparent({ traceId, spanId: spanId ?? this.spanId, flags })
    return { traceparent, tracestate, baggage, spanId }
  }
}
