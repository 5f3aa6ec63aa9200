import type { HttpRequest } from './exchange.ts'
import type { Door } from '../../auth/door.ts'
import type { Refusal } from '../../filters/rescue.ts'
import type { Route } from '../../pipeline/call.ts'

/** Where a refusal is written. */
export interface RefusedAt {
  readonly request: HttpRequest
  /** Undefined where it was refused before that was known. */
  readonly route?: Route | undefined
}

/** True for a refusal after which the client can get better credentials: it is told how, in the HTTP answer itself. */
export function isChallenging(refusal: Refusal): boolean {
  return refusal.status === 401 || refusal.scopes !== undefined
}

/** The headers of a refusal, with the challenge that belongs to it: the only place where calls are challenged. */
export function challengeHeaders(
  refusal: Refusal,
  { request, route }: RefusedAt,
  door: Door,
): Readonly<Record<string, string>> {
  const { headers } = refusal
  // The door has challenged whom it did not let in.
  if (route === undefined || !isChallenging(refusal) || 'www-authenticate' in headers) return headers
  return { ...headers, 'www-authenticate': door.challenge(request, route, refusal) }
}
