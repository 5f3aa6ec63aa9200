import { z } from 'zod'
import { HINT_NAMES, type HintName } from '../protocol/tool-hints.ts'
import type { AuthorizationConfig, GrantConfig, RuleConfig, ThingsConfig } from './authorization-types.ts'
import { type Expression, parseExpression } from './expression.ts'
import { choice, leaf, mapping, textSchema, words } from './leaves.ts'
import { type Parsed, parseSize } from './units.ts'

/** Most rules of one configuration, and most entries of one list in it. */
const MAX_RULES = 10_000

/** Longest pattern. */
const MAX_PATTERN = 2048

/** RFC 6749 section 3.3: `scope-token`. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/

const pattern = (expected: string, fits: (text: string) => boolean = () => true): z.ZodType<string> =>
  leaf(
    (found): Parsed<string> =>
      typeof found === 'string' && found !== '' && found.length <= MAX_PATTERN && fits(found)
        ? { value: found }
        : { expected },
    { type: 'string', minLength: 1 },
  )

/** One text or a list of texts; a list either way. */
const list = (each: z.ZodType<string>, description: string): z.ZodType<string[]> =>
  z.union([each.transform((one) => [one]), z.array(each).max(MAX_RULES)]).meta({ description })

const scopeName = pattern('expected a scope: characters without spaces, quotes and backslashes', (text) =>
  SCOPE.test(text),
)

const thing = pattern('expected <backend>_<name> or <backend>/<name>, with * for any characters', (text) =>
  /^[^\s/]+(?:\/\S+)?$/.test(text),
)
const uri = pattern('expected a URI of a resource, with * for any characters', (text) => !/\s/.test(text))
const text = pattern('expected text, with * for any characters')

const things = {
  tools: list(thing, 'Tools, as <backend>_<tool> or <backend>/<tool>.').optional(),
  prompts: list(thing, 'Prompts, as <backend>_<prompt> or <backend>/<prompt>.').optional(),
  resources: list(uri, 'URIs of resources, as their backend has them.').optional(),
}

type ThingsInput = { readonly [Kind in keyof ThingsConfig]?: readonly string[] | undefined }

/** What each scope opens: a list of tools, as in `OAuth2Provider(scopes=…)`, or a mapping by kind. */
const scopesSetting: z.ZodType<readonly GrantConfig[]> = z
  .record(
    scopeName,
    z.union([list(thing, 'Tools that the scope opens.'), mapping(things)]).meta({
      description: 'What the scope opens: tools, or a mapping of tools, prompts and resources.',
    }),
  )
  .transform((found) =>
    Object.entries(found).map(([scope, opened]) => ({
      scope,
      ...thingsOf(Array.isArray(opened) ? { tools: opened } : opened),
    })),
  )

/** The scopes that come with a scope. */
const scopeHierarchySetting: z.ZodType<Readonly<Record<string, readonly string[]>>> = z.record(
  scopeName,
  list(scopeName, 'Scopes that whoever holds this one holds too.'),
)

function thingsOf({ tools = [], prompts = [], resources = [] }: ThingsInput): ThingsConfig {
  return { tools, prompts, resources }
}

const HINTS: Readonly<Record<HintName, string>> = {
  readOnlyHint: 'Whether it says that it changes nothing.',
  destructiveHint: 'Whether it says that it may destroy something.',
  idempotentHint: 'Whether it says that calling it again changes nothing more.',
  openWorldHint: 'Whether it says that it deals with the world outside.',
}

const hint = (name: HintName): z.ZodType<boolean | undefined> =>
  z.boolean().optional().meta({ description: HINTS[name] })

const rule: z.ZodType<RuleConfig> = mapping({
  name: words('What logs and explanations call the rule.').optional(),
  effect: choice(['allow', 'deny'], 'What the rule does with calls that it is true of.'),
  anonymous: z.boolean().optional().meta({ description: 'Whether the caller is anonymous.' }),
  subjects: list(text, 'Subjects of callers.').optional(),
  groups: list(text, 'Groups, one of which the caller is in.').optional(),
  tenants: list(text, 'Tenants of callers.').optional(),
  clients: list(text, 'Client ids of callers.').optional(),
  issuers: list(text, 'Issuers of callers.').optional(),
  scopes: list(scopeName, 'Scopes, all of which the caller holds.').optional(),
  claims: z
    .record(z.string(), list(text, 'Values, one of which the claim has or holds.'))
    .optional()
    .meta({ description: 'Claims of the caller.' }),
  routes: list(
    pattern('expected a path such as /mcp or /mcp/github', (path) => path.startsWith('/')),
    'Paths by which the gateway was addressed: /mcp, /mcp/<backend>.',
  ).optional(),
  backends: list(text, 'Names of backends.').optional(),
  ...things,
  annotations: mapping(Object.fromEntries(HINT_NAMES.map((name) => [name, hint(name)])))
    .optional()
    .meta({ description: 'What the tool says of itself: a claim of its server, not a fact.' }),
  when: leaf<Expression>(parseExpression, {
    type: 'string',
    minLength: 1,
    description: 'An expression in CEL that must be true.',
  }).optional(),
}).transform(toRule)

/** A rule as it is written. */
type RuleInput = ThingsInput &
  Pick<RuleConfig, 'effect'> &
  Partial<Omit<RuleConfig, 'when' | 'things'>> & { readonly when?: Expression | undefined }

/** A rule about everybody and everything. */
export const UNCONDITIONAL: Omit<RuleConfig, 'effect'> = {
  name: undefined,
  anonymous: undefined,
  subjects: undefined,
  groups: undefined,
  tenants: undefined,
  clients: undefined,
  issuers: undefined,
  scopes: undefined,
  claims: undefined,
  routes: undefined,
  backends: undefined,
  things: undefined,
  annotations: undefined,
  when: undefined,
}

function toRule({ tools, prompts, resources, when, ...rest }: RuleInput): RuleConfig {
  const nothing = tools === undefined && prompts === undefined && resources === undefined
  const things = nothing ? undefined : thingsOf({ tools, prompts, resources })
  return { ...UNCONDITIONAL, ...rest, things, when: when?.text }
}

/** The section `authorization`. */
export const authorizationSchema: z.ZodType<AuthorizationConfig> = mapping({
  scopes: scopesSetting
    .prefault({})
    .meta({ description: 'What each scope opens; consulted where no rule decides.' }),
  scopeHierarchy: scopeHierarchySetting
    .prefault({})
    .meta({ description: 'For a scope, those that whoever holds it holds too.' }),
  rules: z
    .array(rule)
    .max(MAX_RULES)
    .prefault([])
    .meta({ description: 'Consulted in order: the first that is true of a call decides.' }),
  argumentSize: leaf(parseSize, {
    ...textSchema('^\\d+(B|kB|KB|MB|GB|KiB|MiB|GiB)$'),
    description: 'Arguments above this size are denied where an expression has to judge them.',
  }).prefault('64KiB'),
}).meta({ description: 'Who may do what. Whatever is not allowed is denied.' })
