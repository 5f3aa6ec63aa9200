import { z } from 'zod'
import { leaf, mapping, words } from './leaves.ts'
import { type RequiredSignature, requiredSignature } from './required-signature-schema.ts'
import type { Parsed } from './units.ts'

/** An API key as it is stored: everything but the key itself. */
export interface ApiKeyEntry {
  /** Who calls with the key: the subject of its principal. Unique. */
  readonly name: string
  /** `sha256:` and the 64 hexadecimal digits of the hash of the secret part of the key. */
  readonly hash: string
  readonly scopes: readonly string[]
  readonly groups: readonly string[]
  readonly tenant?: string | undefined
  /** Undefined: the key alone is enough. */
  readonly signature?: RequiredSignature | undefined
  /** Milliseconds since the epoch; for readers only. */
  readonly created?: number | undefined
  /** Milliseconds since the epoch from which the key is refused; undefined means never. */
  readonly expires?: number | undefined
}

/** Where API keys come from. */
export interface ApiKeysConfig {
  /** Absolute path of the file that `toolgate keys` writes; undefined means `api-keys.json` in the state folder. */
  readonly file?: string | undefined
  /** Keys that stand in the configuration itself. */
  readonly keys: readonly ApiKeyEntry[]
}

/** What the name of an API key looks like: it appears in logs, policies and metrics. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/
/** RFC 6749 §3.3 `scope-token`. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/
const GROUP = /^[^\s\p{C}](?:[^\p{C}]{0,126}[^\s\p{C}])?$/u
const HASH = /^sha256:[0-9a-f]{64}$/
/** An instant with its offset, or a day, which begins at midnight UTC (RFC 3339). */
const INSTANT = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/

const matching =
  (pattern: RegExp, expected: string) =>
  (found: unknown): Parsed<string> =>
    typeof found === 'string' && pattern.test(found) ? { value: found } : { expected }

/** Reads the name of an API key. */
export const parseKeyName: (found: unknown) => Parsed<string> = matching(
  NAME,
  'expected 1 to 64 letters, digits and . _ @ -, starting with a letter or digit',
)

/** Reads a scope (RFC 6749 §3.3). */
export const parseScope: (found: unknown) => Parsed<string> = matching(
  SCOPE,
  'expected a scope: visible ASCII without spaces, " and \\',
)

/** Reads the name of a group or tenant. */
export const parseGroup: (found: unknown) => Parsed<string> = matching(
  GROUP,
  'expected a name of up to 128 visible characters',
)

/** Reads an instant such as `2027-01-31` or `2027-01-31T12:00:00Z` as milliseconds since the epoch. */
export function parseInstant(found: unknown): Parsed<number> {
  const value = typeof found === 'string' && INSTANT.test(found) ? Date.parse(found) : Number.NaN
  return Number.isNaN(value)
    ? { expected: 'expected a day such as 2027-01-31, or an instant such as 2027-01-31T12:00:00Z' }
    : { value }
}

const instant = (description: string): z.ZodType<number> =>
  leaf(parseInstant, { type: 'string', format: 'date-time', description })

const entry = mapping({
  name: leaf(parseKeyName, {
    type: 'string',
    pattern: NAME.source,
    description:
      'Who calls with this key, the subject that rules and logs see; unique: 1 to 64 letters, digits and . _ @ -.',
  }),
  hash: leaf(
    matching(
      HASH,
      'expected the hash of a key as `toolgate keys create --inline` prints it, sha256: and 64 hexadecimal digits, ' +
        'never the key itself',
    ),
    { type: 'string', pattern: HASH.source, description: 'SHA-256 of the secret part of the key.' },
  ),
  scopes: z
    .array(leaf(parseScope, { type: 'string' }))
    .prefault([])
    .meta({ description: 'Scopes that whoever has the key has.' }),
  groups: z
    .array(leaf(parseGroup, { type: 'string' }))
    .prefault([])
    .meta({ description: 'Groups that whoever has the key belongs to.' }),
  tenant: leaf(parseGroup, { type: 'string', description: 'Tenant that the key belongs to.' }).optional(),
  signature: requiredSignature.optional(),
  created: instant('When the key was made; for readers only.').optional(),
  expires: instant(
    'From when on the key is refused. A day begins at midnight UTC. Never if left out.',
  ).optional(),
})

/** A list of API keys in which names and keys are unique. */
export const apiKeyEntries: z.ZodType<readonly ApiKeyEntry[]> = z.array(entry).check((context) => {
  const seen = new Map<string, number>()
  for (const [index, { name, hash }] of context.value.entries()) {
    // The identifier that shows in a key is the beginning of its hash, so that two keys must differ there already.
    for (const [member, value] of [
      ['name', name],
      ['hash', hash.slice(0, 15)],
    ] as const) {
      const first = seen.get(`${member} ${value}`)
      seen.set(`${member} ${value}`, first ?? index)
      if (first === undefined) continue
      context.issues.push({
        code: 'custom',
        message: `expected a ${member} of its own, but entry ${first + 1} has the same`,
        input: value,
        path: [index, member],
      })
    }
  }
})

/** `auth.apiKeys`: left out, keys are not accepted; empty, those of the file in the state folder are. */
export const apiKeys: z.ZodType<ApiKeysConfig | undefined> = z
  .preprocess(
    (found) => (found === null ? {} : found),
    mapping({
      file: words(
        'File of the keys that `toolgate keys` makes, relative to this file (default: api-keys.json in the state folder).',
      ).optional(),
      keys: apiKeyEntries
        .prefault([])
        .meta({ description: 'Keys by their hashes, for configurations under version control.' }),
    }).optional(),
  )
  .meta({ description: 'API keys that callers may authenticate with.' })
