import { z } from 'zod'
import { choice, count, duration, leaf, mapping, off, section, share, textSchema } from './leaves.ts'
import type { ConfigPath, Finding } from './problem.ts'
import type { EjectionConfig, EndpointConfig } from './types.ts'
import type { Parsed } from './units.ts'

function parseUrl(found: unknown): Parsed<string> {
  const expected = 'expected an http:// or https:// URL'
  if (typeof found !== 'string') return { expected }
  const url = URL.parse(found)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return { expected }
  if (url.username !== '' || url.password !== '') {
    return { expected: 'expected a URL without user and password: put credentials into headers' }
  }
  if (url.hash !== '' || found.includes('#')) return { expected: 'expected a URL without a fragment (#…)' }
  return { value: found }
}

/** The URL of an MCP server. */
export const url: z.ZodType<string> = leaf(parseUrl, {
  ...textSchema('^https?://[^#]+$'),
  description: 'URL of the MCP server (Streamable HTTP).',
})

/** Endpoints of one backend at most: more belong behind a load balancer of their own. */
const MAX_ENDPOINTS = 64

const ejectionSettings = section(
  {
    failures: count('Failed calls in a row after which an endpoint is ejected.', 1000).prefault(5),
    slowness: count(
      'How many times slower than the others an endpoint must be to be ejected. Never if left out.',
      1000,
      2,
    ).optional(),
    time: duration('How long the first ejection lasts; each further one lasts longer.', 1).prefault('30s'),
    maxTime: duration('How long an ejection lasts at most.', 1).prefault('5m'),
    share: share('Share of the endpoints that may be ejected at once.').prefault('50%'),
  },
  'When an endpoint that fails is taken out of rotation.',
)

const endpoint = mapping({
  url,
  weight: count('Its part of the calls, beside the weights of the others.', 1000).prefault(1),
}).meta({ title: 'Endpoint' })

/** One URL of a backend, or one for each of its endpoints. */
export const urls: z.ZodType<string | readonly string[]> = z
  .union([url, z.array(url)])
  .meta({ description: 'URL of the MCP server (Streamable HTTP), or of each of its endpoints.' })

/** The endpoints of a backend where they have weights, instead of its URL. */
export const endpoints: z.ZodType<readonly EndpointConfig[]> = z
  .array(endpoint)
  .meta({ description: 'The endpoints of the backend where they have weights, instead of url.' })

/** How an endpoint is chosen for a call. */
export const balance: z.ZodType<'least-loaded' | 'weighted'> = choice(
  ['least-loaded', 'weighted'],
  'How an endpoint is chosen: the less loaded of two chosen at random, or at random by weight.',
).prefault('least-loaded')

/** When an endpoint that fails is taken out of rotation. */
export const ejection: z.ZodType<EjectionConfig | undefined> = z
  .union([off, ejectionSettings])
  .prefault({})
  .meta({ description: 'When an endpoint that fails is taken out of rotation; off never does.' })

/** How gently an endpoint is taken back. */
export const slowStart: z.ZodType<number> = duration(
  'How long an endpoint that comes back takes to get its full part of the calls.',
  0,
).prefault('10s')

/** How long an idle connection is trusted. */
export const keepAlive: z.ZodType<number> = duration(
  'How long an idle connection is kept where the server does not say how long it keeps it.',
  1,
).prefault('3s')

/** Where a backend is, as it is written: one of the two. */
export interface WrittenEndpoints {
  readonly url?: string | readonly string[]
  readonly endpoints?: readonly EndpointConfig[]
}

/** The endpoints that are written, in their order. */
export function endpointsOf({
  url: written = [],
  endpoints: weighed,
}: WrittenEndpoints): readonly EndpointConfig[] {
  const list = typeof written === 'string' ? [written] : written
  return weighed ?? list.map((each) => ({ url: each, weight: 1 }))
}

/** What is wrong with the endpoints of an HTTP backend as a whole; `found` as it stands in the file. */
export function endpointProblems(
  found: Readonly<Record<string, unknown>>,
  path: ConfigPath,
): readonly Finding[] {
  const key = 'endpoints' in found ? 'endpoints' : 'url'
  const list = found[key]
  if (!Array.isArray(list)) return []
  if (list.length === 0 || list.length > MAX_ENDPOINTS) {
    const message = `expected 1 to ${MAX_ENDPOINTS} endpoints; found ${list.length}`
    return [{ path: [...path, key], message }]
  }
  const all = list.map((each: unknown) => (isEndpoint(each) ? each.url : each))
  return all.flatMap((each, index): Finding[] => {
    if (typeof each !== 'string' || all.indexOf(each) === index) return []
    return [{ path: [...path, key, index], message: 'the same URL as another endpoint of this backend' }]
  })
}

function isEndpoint(found: unknown): found is { readonly url: unknown } {
  return typeof found === 'object' && found !== null && 'url' in found
}
