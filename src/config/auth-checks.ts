import { ISSUER_SETTINGS } from './auth-schema.ts'
import { isLoopback, parseListen } from './listen.ts'
import type { Finding } from './problem.ts'
import { isMapping, valueAt } from './tree.ts'

/** True where callers need not say who they are. */
export function isOpen(root: unknown): boolean {
  return !isMapping(valueAt(root, ['auth'])) || valueAt(root, ['auth', 'anonymous']) === true
}

/** What no single setting of `auth` shows. Looks at raw values, so that it speaks even if other settings are wrong. */
export function authChecks(root: unknown): readonly Finding[] {
  const auth = valueAt(root, ['auth'])
  if (!isMapping(auth)) return []
  return [...orphans(auth), ...twins(auth), ...homeless(root, auth)]
}

/** Settings of an issuer that stand beside none. */
function orphans(auth: Readonly<Record<string, unknown>>): readonly Finding[] {
  if ('issuer' in auth) return []
  return ISSUER_SETTINGS.filter((key) => key in auth).map((key) => ({
    path: ['auth', key],
    at: 'key',
    message: 'belongs to an issuer: set auth.issuer, or move it into an entry of auth.issuers',
  }))
}

/** The same issuer twice: which settings count could not be said. */
function twins(auth: Readonly<Record<string, unknown>>): readonly Finding[] {
  const listed: readonly unknown[] = Array.isArray(auth['issuers']) ? auth['issuers'] : []
  const issuers = [auth['issuer'], ...listed.map((entry) => valueAt(entry, ['issuer']))]
  return issuers.flatMap((issuer, index) =>
    issuer !== undefined && issuers.indexOf(issuer) < index
      ? [{ path: ['auth', 'issuers', index - 1, 'issuer'], message: 'this issuer is configured already' }]
      : [],
  )
}

/** On the network nothing but the operator can say by which URL clients know the gateway: `Host` is their own word. */
function homeless(root: unknown, auth: Readonly<Record<string, unknown>>): readonly Finding[] {
  const hasIssuer = 'issuer' in auth || 'issuers' in auth
  const listen = parseListen(valueAt(root, ['gateway', 'listen']) ?? '127.0.0.1:8080')
  if (!hasIssuer || !('value' in listen) || isLoopback(listen.value.host)) return []
  if (valueAt(root, ['gateway', 'publicUrl']) !== undefined) return []
  const message =
    'missing: tokens are meant for the URL by which clients reach the gateway; name it, such as https://mcp.example.com'
  return [{ path: ['gateway', 'publicUrl'], message }]
}
