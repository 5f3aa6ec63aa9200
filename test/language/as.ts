/** Requests by hand with credentials. */
import type { RawAnswer, RawClient } from './raw.ts'

/** A header with an access token or an API key. */
export const bearer = (token: string): { readonly authorization: string } => ({
  authorization: `Bearer ${token}`,
})

/** Asks for the tools of the aggregate, or of one backend, with a token. */
export const listAs = (raw: RawClient, token: string, route?: string): Promise<RawAnswer> =>
  raw.modern('tools/list', {}, { headers: bearer(token), ...(route === undefined ? {} : { route }) })
