import type { DoorRequest } from '../../auth/credentials.ts'

/**
 * A request as the listener reads it: what Node's `IncomingMessage` is, and what stands for a `Request` of the Fetch
 * standard (fetch-exchange.ts). One way through all checks, wherever a request comes from.
 */
export interface HttpRequest extends DoorRequest {
  /** Names and values in turn, as they were sent. */
  readonly rawHeaders: readonly string[]
  /** Whether all of it has arrived. */
  readonly complete: boolean
  /** The URL before a framework took the place where it mounted the gateway off its front. */
  readonly originalUrl?: string | undefined
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
  pause(): unknown
}

/** A response as the listener writes it, see {@link HttpRequest}. */
export interface HttpResponse {
  readonly req: { readonly complete: boolean }
  readonly headersSent: boolean
  /** The other end has gone, or was left. */
  readonly destroyed: boolean
  /** Everything was written and taken. */
  readonly writableFinished: boolean
  setHeader(name: string, value: string): unknown
  writeHead(status: number): { end(): unknown }
  /** @param headers names and values in turn, or by name */
  writeHead(status: number, headers: string[] | Record<string, string>): { end(text?: string): unknown }
  flushHeaders(): void
  /** @returns false while the other end does not keep up, until `drain` */
  write(text: string): boolean
  end(text?: string): unknown
  end(text: string, encoding: 'latin1' | 'utf8'): unknown
  destroy(): unknown
  on(event: 'close' | 'drain', listener: () => void): unknown
}
