import { type Policy, pathOf } from '../auth/policy/policy.ts'
import { type Asked, isTreacherous } from '../auth/policy/things.ts'
import type { CallRights, Verdict } from '../auth/policy/verdict.ts'
import { GatewayError } from '../errors.ts'
import type { Audit, DenialAudit } from '../pipeline/audit.ts'
import type { Permitted, Routed } from '../pipeline/call.ts'
import type { Stage } from '../pipeline/handler.ts'
import { Permit, mintPermit } from '../pipeline/permit.ts'
import type { Listed } from '../pipeline/rights.ts'
import type { ManyTarget, OneTarget } from '../pipeline/target.ts'
import { stringOf } from '../protocol/json.ts'
import { referenceOf, subjectOf } from '../protocol/subject.ts'
import type { Catalog } from '../routing/catalog.ts'
import { unknownTask } from '../routing/tasks.ts'
import { printable, unknownName } from '../routing/unknown.ts'

/** What authorization needs where there are rules. */
export interface AuthorizePorts {
  readonly policy: Policy
  readonly catalog: Pick<Catalog, 'list' | 'peek'>
  readonly audit: Audit
}

/** Lets through what the rules allow, and everything where there are none. The only place that mints permits. */
export function authorize(ports?: AuthorizePorts): Stage<Routed, Permitted> {
  if (ports === undefined)
    return (next) => (call, out) => next({ ...call, permit: mintPermit(call.target) }, out)
  return (next) => (call, out) => {
    const rights = ports.policy.rightsOf(call.principal, call.route)
    const { target } = call
    const permit =
      target.kind === 'one'
        ? permitOne(ports, rights, { call, target })
        : permitMany(ports, rights, { call, target })
    return permit instanceof Permit ? next({ ...call, permit }, out) : permit
  }
}

/** A call on one target. */
interface One {
  readonly call: Routed
  readonly target: OneTarget
}

/** A permit, or a promise that is rejected with the refusal. */
function permitOne(ports: AuthorizePorts, rights: CallRights, one: One): Permit | Promise<never> {
  const { call, target } = one
  const asked = askedFor(ports, one)
  if (JUDGED.has(call.method) || asked.kind === 'method') {
    const verdict = rights.decide(asked, call.message)
    if (verdict.effect === 'allow') return mintPermit(target, rights)
    return refuse(ports, rights, { call, asked, verdict })
  }
  if (rights.sees(asked)) return mintPermit(target, rights)
  return refuse(ports, rights, { call, asked, verdict: UNSEEN })
}

/** Calls that carry the arguments that rules are about. Others follow from one, or prepare one. */
const JUDGED: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

const UNSEEN: Verdict = { effect: 'deny', by: 'default' }

/** What the call is for, in the words of the rules. */
function askedFor({ catalog }: AuthorizePorts, { call, target }: One): Asked {
  const { backend, name, hints, taskOf } = target
  if (taskOf !== undefined) {
    const tool = catalog.peek('tools', { kind: 'backend', backend }, taskOf)
    return { kind: 'tools', backend, key: taskOf, hints: tool?.entry.hints }
  }
  switch (call.method) {
    case 'tools/call':
      return { kind: 'tools', backend, key: name ?? '', hints }
    case 'prompts/get':
      return { kind: 'prompts', backend, key: name ?? '' }
    case 'resources/read':
      return { kind: 'resources', backend, key: name ?? '' }
    case 'completion/complete':
      return completed(call, target)
    default:
      return { kind: 'method', backend, key: call.method }
  }
}

/** What is completed is what may be seen (2026-07-28, server/utilities/completion). */
function completed({ message }: Routed, { backend, name }: OneTarget): Listed {
  const reference = referenceOf(message)
  const key = name ?? stringOf(message.text, reference?.node)
  if (reference === undefined || key === undefined)
    throw new GatewayError('INVALID_PARAMS', 'completion/complete needs "params.ref": a prompt or a resource')
  if (reference.type === 'prompt') return { kind: 'prompts', backend, key }
  return { kind: key.includes('{') ? 'resourceTemplates' : 'resources', backend, key }
}

function permitMany(
  ports: AuthorizePorts,
  rights: CallRights,
  { call, target }: { readonly call: Routed; readonly target: ManyTarget },
): Permit | Promise<never> {
  const { operation } = target
  if (operation.kind !== 'search') {
    const backends = target.backends.filter((backend) => rights.reaches(backend))
    return mintPermit({ ...target, backends }, rights)
  }
  const asked = (one: OneTarget): Asked => ({ kind: 'resources', backend: one.backend, key: one.name ?? '' })
  const candidates = operation.candidates.filter(
    (one) => rights.decide(asked(one), call.message).effect === 'allow',
  )
  if (candidates.length > 0) {
    const backends = [...new Set(candidates.map(({ backend }) => backend))]
    return mintPermit({ ...target, operation: { ...operation, candidates }, backends }, rights)
  }
  const all = operation.candidates.map(asked)
  // Whoever can get the scope for one of them is told which.
  const first = all.find((each) => rights.scopesFor(each, call.message) !== undefined) ?? all[0]
  if (first === undefined) throw new TypeError('A search has candidates')
  return refuse(ports, rights, { call, asked: first, verdict: rights.decide(first, call.message) })
}

/** A call that is not let through. */
interface Refused {
  readonly call: Routed
  readonly asked: Asked
  readonly verdict: Verdict
}

/**
 * Refuses. Whoever could call with more scopes is told which (2026-07-28, basic/authorization "Step-Up Authorization
 * Flow"); whoever may call with other arguments is told so; to everybody else it does not exist.
 */
async function refuse(ports: AuthorizePorts, rights: CallRights, refused: Refused): Promise<never> {
  const { call, asked } = refused
  const { principal, message, method, route } = call
  const scopes = rights.scopesFor(asked, message)
  ports.audit(denial(refused, scopes))
  if (scopes !== undefined) {
    const code = principal.anonymous ? 'UNAUTHENTICATED' : 'INSUFFICIENT_SCOPE'
    throw new GatewayError(code, `${printable(method)} needs the scope ${scopes.join(' ')}`, { scopes })
  }
  if (call.target.kind === 'one' && call.target.taskOf !== undefined) throw unknownTask()
  if (asked.kind === 'method')
    throw new GatewayError('METHOD_NOT_FOUND', `Method not found: ${printable(method)}`)
  if (asked.kind === 'resources' && isTreacherous(asked.key)) throw treacherous()
  if (rights.sees(asked)) throw forbidden(refused)
  const kind = method === 'completion/complete' && asked.kind !== 'prompts' ? 'resources' : asked.kind
  const { view, away } = await ports.catalog.list(kind, route)
  throw unknownName({ kind, name: nameOf(call, asked), scope: route, rights }, { view, away })
}

function treacherous(): GatewayError {
  const message = 'A URI with a segment "." or "..", in any spelling, or of extreme length is not asked for'
  return new GatewayError('INVALID_PARAMS', message)
}

/** The refusal of a call that could be let through with other arguments. The rule is for the audit log alone. */
function forbidden({ call, asked }: Refused): GatewayError {
  return new GatewayError(
    'FORBIDDEN',
    `${printable(nameOf(call, asked))} is not allowed with these arguments`,
  )
}

/** What the call is for, as the client wrote it. */
function nameOf({ message }: Routed, asked: Asked): string {
  return subjectOf(message) ?? asked.key
}

function denial({ call, asked, verdict }: Refused, scopes: readonly string[] | undefined): DenialAudit {
  const { principal, route, method } = call
  const short = (text: string | undefined): string | undefined => text?.slice(0, 100)
  const who = principal.anonymous
    ? { anonymous: true }
    : {
        anonymous: false,
        issuer: short(principal.issuer),
        subject: short(principal.subject),
        client: short(principal.client),
        tenant: short(principal.tenant),
      }
  return {
    event: 'call.denied',
    ...who,
    method: method.slice(0, 100),
    route: pathOf(route),
    backend: asked.backend,
    kind: asked.kind,
    name: asked.key.slice(0, 100),
    rule: verdict.by,
    problem: short(verdict.problem),
    scopes: scopes?.join(' '),
  }
}
