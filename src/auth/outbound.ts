import type { Clock } from '../pipeline/clock.ts'

/** `fetch`, as a port. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>

/** How this room reaches issuers. */
export interface Outbound {
  readonly clock: Clock
  /** For URLs that the operator wrote. */
  readonly fetch: Fetch
  /** For URLs that an issuer named: refuses private addresses. */
  readonly guardedFetch: Fetch
}

/** Milliseconds that an issuer has for one answer. */
const PATIENCE = 5000
/** Bytes of metadata or keys. */
const MOST = 262_144

/** The fetch for a URL that an issuer named: at its own origin it is as trusted as the issuer. */
export function fetchFor(url: string, issuer: string, outbound: Outbound): Fetch {
  const there = new URL(url)
  const home = new URL(issuer)
  if (there.origin === home.origin) return outbound.fetch
  if (there.protocol !== 'https:') throw new Error(`${there.origin} is not https`)
  return outbound.guardedFetch
}

/**
 * Fetches without following redirects, bounded in time and size. The response has been read to its end.
 *
 * @throws Error that says what went wrong, without the body
 */
export async function fetchBounded(
  fetch: Fetch,
  url: string,
  init: RequestInit & { readonly clock: Clock },
): Promise<Response> {
  const { clock, ...rest } = init
  const controller = new AbortController()
  const cancel = clock.after(PATIENCE, () => controller.abort(new Error(`no answer within ${PATIENCE} ms`)))
  try {
    const response = await fetch(url, { ...rest, redirect: 'error', signal: controller.signal })
    const body = await readAll(response)
    return new Response(body, { status: response.status, headers: response.headers })
  } catch (error) {
    if (controller.signal.aborted) throw controller.signal.reason
    throw error
  } finally {
    cancel()
  }
}

async function readAll(response: Response): Promise<Buffer | null> {
  const chunks: Uint8Array[] = []
  let size = 0
  if (response.body === null) return null
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > MOST) throw new Error(`the answer is larger than ${MOST} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * Gets a JSON object.
 *
 * @throws Error that says what came instead
 */
export async function getJson(
  fetch: Fetch,
  url: string,
  clock: Clock,
): Promise<{ readonly value: Readonly<Record<string, unknown>>; readonly headers: Headers }> {
  const response = await fetchBounded(fetch, url, { clock, headers: { accept: 'application/json' } })
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
  const value: unknown = await response.json().catch(() => undefined)
  if (typeof value !== 'object' || value === null) throw new Error(`${url} did not answer with JSON`)
  return { value: value as Readonly<Record<string, unknown>>, headers: response.headers }
}

/** What went wrong, for the log: network errors hide it in their cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { cause } = error
  if (!(cause instanceof Error)) return error.message
  const code = 'code' in cause ? String(cause.code) : cause.message
  return code === '' ? error.message : `${error.message}: ${code}`
}
