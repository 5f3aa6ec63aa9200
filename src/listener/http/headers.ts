import type { HttpRequest } from './exchange.ts'
import type { HeaderLookup } from '../../pipeline/call.ts'
import type { TraceHeaders } from '../../pipeline/trace.ts'
import type { HeaderReader } from '../../protocol/ladder.ts'
import type { Acceptable } from './responder.ts'

/** Reads single-valued headers of a request. */
export function headerReader(request: HttpRequest): HeaderReader {
  const { headers } = request
  return (name) => {
    const value = headers[name]
    return typeof value === 'string' ? value : undefined
  }
}

const PREFIX = 'mcp-param-'
const NONE: HeaderLookup = {}

/** The `Mcp-Param-*` headers of a request, of which nearly none has any. */
export function paramHeadersOf(request: HttpRequest): HeaderLookup {
  const { rawHeaders, headers } = request
  let found: Record<string, string> | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    // The first letter in which it differs from the other headers of MCP.
    if (name === undefined || name.length <= PREFIX.length || (name[5] !== 'a' && name[5] !== 'A')) continue
    const lower = name.toLowerCase()
    const value = lower.startsWith(PREFIX) ? headers[lower] : undefined
    if (typeof value === 'string') (found ??= {})[lower] = value
  }
  return found ?? NONE
}

const BOTH: Acceptable = { json: true, events: true }

/** What the client takes as an answer; one that says nothing takes both. */
export function acceptableOf(header: string | undefined): Acceptable {
  if (header === undefined || header === 'application/json, text/event-stream') return BOTH
  const accept = header.toLowerCase()
  const any = accept.includes('*/*')
  return {
    json: any || accept.includes('application/json') || accept.includes('application/*'),
    events: any || accept.includes('text/event-stream') || accept.includes('text/*'),
  }
}

/** True for JSON, with or without parameters. */
export function isJson(contentType: string | undefined): boolean {
  if (contentType === 'application/json') return true
  return contentType !== undefined && /^application\/json\s*(?:;|$)/i.test(contentType)
}

/** What a request says of the trace that it belongs to; undefined where it says nothing. */
export function traceHeadersOf({ headers }: HttpRequest): TraceHeaders | undefined {
  const { traceparent, tracestate, baggage } = headers
  if (traceparent === undefined && baggage === undefined) return undefined
  return { traceparent: single(traceparent), tracestate: single(tracestate), baggage: single(baggage) }
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
