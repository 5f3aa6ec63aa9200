import type { z } from 'zod'
import { choice, duration, leaf, section, textSchema } from './leaves.ts'
import type { StoreConfig } from './store-types.ts'
import type { Parsed } from './units.ts'

const SCHEMES: ReadonlySet<string> = new Set(['redis:', 'rediss:', 'valkey:', 'valkeys:'])

const url = leaf(
  (found): Parsed<string> => {
    const parsed = typeof found === 'string' ? URL.parse(found) : null
    if (parsed !== null && SCHEMES.has(parsed.protocol) && parsed.hostname !== '')
      return { value: parsed.href.replace(/^valkey/, 'redis') }
    return { expected: 'expected the URL of a Valkey or Redis server, such as redis://127.0.0.1:6379' }
  },
  {
    ...textSchema('^(redis|rediss|valkey|valkeys)://'),
    description: 'Valkey or Redis server that all replicas share; rediss:// means TLS.',
  },
)

const prefix = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && /^[\w.:-]{1,64}$/.test(found)
      ? { value: found }
      : { expected: 'expected 1 to 64 letters, digits, _, -, . and :' },
  { ...textSchema('^[\\w.:-]{1,64}$'), description: 'What the names of all keys in the store begin with.' },
)

/** The `store` section. */
export const store: z.ZodType<StoreConfig> = section(
  {
    url: url.optional(),
    onStoreFailure: choice(
      ['local', 'allow', 'deny'],
      'While the store is away, limits are counted by each replica for its share, not at all, or calls are refused.',
    ).prefault('local'),
    timeout: duration('How long one command of the store may take.', 1).prefault('250ms'),
    prefix: prefix.prefault('toolgate'),
  },
  'State that replicas of the gateway share.',
).transform(({ url: found, ...rest }) => ({ ...rest, url: found }))
