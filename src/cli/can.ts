import { type Caller, type Policy, createPolicy, pathOf } from '../auth/policy/policy.ts'
import type { RuleStep } from '../auth/policy/explain.ts'
import type { Asked } from '../auth/policy/things.ts'
import { namedThings } from '../config/named-things.ts'
import type { Config } from '../config/types.ts'
import { ANONYMOUS, type Principal, type Route } from '../pipeline/call.ts'
import { systemClock } from '../pipeline/clock.ts'
import { scanJson } from '../protocol/json.ts'
import { parseMessage } from '../protocol/message.ts'
import { HINT_NAMES, type HintName, toolHints } from '../protocol/tool-hints.ts'
import { encodeArguments } from './arguments.ts'
import { requireConfig } from './config-file.ts'
import { CliError, type Io } from './io.ts'
import type { CanOptions } from './options.ts'
import { oneLine, paint, table } from './text.ts'

/** Without a configuration of its own, whoever is named has this issuer. */
const IMAGINED = 'https://issuer.example'

/** `toolgate can`: says what the rules decide about a call, rule by rule. Exit code 1 if it would be denied. */
export async function canCommand(io: Io, options: CanOptions): Promise<number> {
  const config = await requireConfig(io, options)
  if (config === undefined) return 1
  const policy = createPolicy(config.authorization, { clock: systemClock, backends: namesOf(config) })
  const answer = answerOf(config, policy, options)
  io.stdout.write(options.json ? `${JSON.stringify(answer, null, 2)}\n` : render(io, answer))
  return answer.allowed ? 0 : 1
}

/** What the command answers; the document of `--json`. */
interface Answer {
  readonly allowed: boolean
  readonly principal: string
  readonly route: string
  readonly kind: string
  readonly backend: string
  readonly name: string
  /** The rule that decides. */
  readonly by: string
  /** The scopes that would make the difference. */
  readonly scopes: readonly string[] | null
  readonly steps: readonly RuleStep[]
}

function answerOf(config: Config, policy: Policy | undefined, options: CanOptions): Answer {
  const principal = principalOf(options)
  const route = routeOf(config, options.route)
  const asked = askedOf(config, options)
  const about = {
    principal: principal.anonymous ? 'anonymous' : principal.subject,
    route: pathOf(route),
    kind: asked.kind,
    backend: asked.backend,
    name: asked.key,
  }
  if (policy === undefined) return { allowed: true, ...about, by: 'no rules', scopes: null, steps: [] }
  return { ...about, ...decided(policy, { principal, route }, { asked, args: encodedArguments(options) }) }
}

/** @param call with its arguments as raw JSON */
function decided(
  policy: Policy,
  caller: Caller,
  { asked, args }: { readonly asked: Asked; readonly args: string },
): Pick<Answer, 'allowed' | 'by' | 'scopes' | 'steps'> {
  const steps = policy.explain(caller, { asked, args: JSON.parse(args) as unknown })
  const last = steps.at(-1)
  const allowed = last?.effect === 'allow'
  const message = parseMessage(`{"jsonrpc":"2.0","id":1,"method":"any","params":{"arguments":${args}}}`)
  const rights = policy.rightsOf(caller.principal, caller.route)
  const scopes = !allowed && message.kind === 'request' ? rights.scopesFor(asked, message) : undefined
  return { allowed, by: last?.rule ?? 'default', scopes: scopes ?? null, steps }
}

function namesOf({ backends }: Config): readonly string[] {
  return backends.map(({ name }) => name)
}

function principalOf(options: CanOptions): Principal {
  const { principal: named } = options
  if (named === 'anonymous') return ANONYMOUS
  const described = named.trimStart().startsWith('{') ? objectOf(named, 'the principal') : { subject: named }
  const text = (key: string): string | undefined => {
    const value = described[key]
    return typeof value === 'string' ? value : undefined
  }
  const texts = (key: string): readonly string[] => {
    const value = described[key]
    return Array.isArray(value) ? value.map(String) : []
  }
  const claims = options.claims === undefined ? described['claims'] : objectOf(options.claims, '--claims')
  return {
    id: 'imagined',
    anonymous: false,
    issuer: options.issuer ?? text('issuer') ?? IMAGINED,
    subject: text('subject') ?? '',
    client: options.client ?? text('client'),
    tenant: options.tenant ?? text('tenant'),
    scopes: new Set([...texts('scopes'), ...options.scopes]),
    groups: new Set([...texts('groups'), ...options.groups]),
    claims: isObject(claims) ? claims : {},
    expiresAt: undefined,
  }
}

function objectOf(json: string, what: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json)
    if (isObject(value)) return value
  } catch {
    // Said below.
  }
  throw new CliError(`${what} must be a JSON object, such as {"subject":"alice","groups":["dev"]}`)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function routeOf(config: Config, route: string | undefined): Route {
  const backend = route === '/mcp' ? undefined : route?.replace(/^\/mcp\//, '')
  if (backend === undefined) return { kind: 'aggregate' }
  if (namesOf(config).includes(backend)) return { kind: 'backend', backend }
  throw new CliError(`--route ${route}: expected /mcp or /mcp/<backend>`)
}

function askedOf(config: Config, { thing, kind, backend, annotations }: CanOptions): Asked {
  const backends = namesOf(config)
  if (kind === 'resource') {
    const owner = backend ?? (backends.length === 1 ? backends[0] : undefined)
    if (owner === undefined) throw new CliError('whose resource is it? Name the backend with --backend')
    return { kind: thing.includes('{') ? 'resourceTemplates' : 'resources', backend: owner, key: thing }
  }
  const named = namedThings(thing, backends)
  const hints = kind === 'tool' ? { hints: hintsOf(annotations) } : {}
  const asked = (owner: string, key: string): Asked => ({
    kind: kind === 'tool' ? 'tools' : 'prompts',
    backend: owner,
    key,
    ...hints,
  })
  if (named.kind === 'apart' && (backends.includes(named.backends) || named.backends === 'gateway'))
    return asked(named.backends, named.names)
  if (named.kind === 'joined') return asked(named.backend, thing.slice(named.backend.length + 1))
  if (named.kind === 'ambiguous')
    throw new CliError(`${thing} could be of ${named.backends.join(' or ')}: write <backend>/${kind}`)
  throw new CliError(`${thing}: no backend is called so; there is ${backends.join(', ')}`)
}

function hintsOf(annotations: readonly string[]): ReturnType<typeof toolHints> {
  const said: Partial<Record<HintName, boolean>> = {}
  for (const each of annotations) {
    const [name, value] = each.split('=')
    const known = HINT_NAMES.find((hint) => hint === name)
    if (known === undefined || (value !== 'true' && value !== 'false'))
      throw new CliError(`--annotation ${each}: expected one of ${HINT_NAMES.join(', ')}, =true or =false`)
    said[known] = value === 'true'
  }
  return toolHints(said)
}

/** What looks like JSON is; anything else is text. `--args-json` says it exactly. */
function encodedArguments({ arg, argsJson }: CanOptions): string {
  const types = arg.map((each): readonly [string, object] => {
    const equals = each.indexOf('=')
    return [each.slice(0, equals), { type: typeOf(each.slice(equals + 1)) }]
  })
  return encodeArguments({ properties: Object.fromEntries(types) }, arg, argsJson)
}

function typeOf(text: string): string {
  try {
    return scanJson(text).kind
  } catch {
    return 'string'
  }
}

function render(io: Io, answer: Answer): string {
  const { allowed, principal, kind, backend, name, by, scopes, steps } = answer
  const about = kind.startsWith('resource') ? `${name} of ${backend}` : `${backend}/${name}`
  const head = paint(io.stdout, allowed ? 'green' : 'red', allowed ? 'yes' : 'no')
  const lines = [`${head}: ${principal} ${allowed ? 'may' : 'may not'} use ${about} (${by})`]
  if (scopes !== null) lines.push(`The scopes ${scopes.join(' ')} would let it through.`)
  const other = steps.filter(({ reason }) => reason === 'is about something else').length
  const rows = steps
    .filter(({ reason }) => reason !== 'is about something else')
    .map(({ rule, effect, decides, reason }) => [
      decides ? '>' : '',
      oneLine(rule, 40),
      effect,
      oneLine(reason, 200),
    ])
  if (rows.length > 0) lines.push('', table([['', 'RULE', 'EFFECT', 'WHY'], ...rows], io.stdout).trimEnd())
  if (other > 0) lines.push('', `${other} ${other === 1 ? 'rule is' : 'rules are'} about something else.`)
  return `${lines.join('\n')}\n`
}
