import type { IncomingMessage } from 'node:http'
import type { HeaderReader } from '../../protocol/ladder.ts'
import type { Acceptable } from './responder.ts'

/** Reads single-valued headers of a request. */
export function headerReader(request: IncomingMessage): HeaderReader {
  const { headers } = request
  return (name) => {
    const value = headers[name]
    return typeof value === 'string' ? value : undefined
  }
}

/** What the client takes as an answer; one that says nothing takes both. */
export function acceptableOf(header: string | undefined): Acceptable {
  if (header === undefined) return { json: true, events: true }
  const accept = header.toLowerCase()
  const any = accept.includes('*/*')
  return {
    json: any || accept.includes('application/json') || accept.includes('application/*'),
    events: any || accept.includes('text/event-stream') || accept.includes('text/*'),
  }
}

/** True for JSON, with or without parameters. */
export function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/json\s*(?:;|$)/i.test(contentType)
}
