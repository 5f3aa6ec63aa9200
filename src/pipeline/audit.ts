import type { ListKind } from '../protocol/methods.ts'
import type { Log, LogFields, LogLevel } from './log.ts'

/**
 * A decision about security, or a change of what decides. A closed set: `event` says which, in past tense. The facts
 * are flat so that one line shows them; they are never secrets, tokens, arguments or bodies, and text of others in
 * them is short.
 */
export type AuditEvent = DefinitionAudit | SuspicionAudit | LockAudit | DenialAudit

/** What is listed of a backend was held against the definitions that were approved (`tools.lock`). */
export interface DefinitionAudit {
  readonly event:
    | 'definition.changed'
    | 'definition.added'
    | 'definition.gone'
    | 'definition.restored'
    | 'definition.approved'
  readonly backend: string
  readonly kind: ListKind
  /** As the backend calls it. */
  readonly name: string
  /** What came of it. */
  readonly action: 'quarantined' | 'listed' | 'gone'
  /** The members that differ, with commas; for what changed. */
  readonly changes?: string
  /** Further definitions of the same backend with the same event, which get no line of their own. */
  readonly more?: number
}

/** A definition looks as if it were meant to deceive: it imitates another's, or holds what nobody sees. */
export interface SuspicionAudit {
  readonly event: 'definition.shadows' | 'definition.invisible'
  readonly backend: string
  readonly kind: ListKind
  readonly name: string
  /** What was found, in words. */
  readonly finding: string
  readonly action: 'quarantined' | 'excluded' | 'escaped' | 'listed'
  /** As in {@link DefinitionAudit}. */
  readonly more?: number
}

/** The approved definitions were read, or cannot be. */
export type LockAudit =
  | { readonly event: 'lock.loaded'; readonly file: string; readonly definitions: number }
  | { readonly event: 'lock.removed'; readonly file: string }
  | { readonly event: 'lock.invalid'; readonly file: string; readonly problem: string }

/** A call was not let through. */
export interface DenialAudit {
  readonly event: 'call.denied'
  readonly anonymous: boolean
  readonly issuer?: string | undefined
  readonly subject?: string | undefined
  readonly client?: string | undefined
  readonly tenant?: string | undefined
  readonly method: string
  /** The path by which the gateway was addressed. */
  readonly route: string
  readonly backend: string
  readonly kind: ListKind | 'method'
  /** As the backend calls it. */
  readonly name: string
  /** The rule that decided; `default` where none did. */
  readonly rule: string
  /** Why the rule could not be asked. */
  readonly problem: string | undefined
  /** The scopes that the caller was told to ask for. */
  readonly scopes: string | undefined
}

/** Where security decisions go. Never throws, never waits. */
export type Audit = (event: AuditEvent) => void

/** How urgent each event is; exhaustive, so that a new one has to say. */
const LEVEL: Readonly<Record<AuditEvent['event'], LogLevel>> = {
  'definition.changed': 'warn',
  'definition.added': 'warn',
  'definition.gone': 'info',
  'definition.restored': 'info',
  'definition.approved': 'info',
  'definition.shadows': 'warn',
  'definition.invisible': 'warn',
  'lock.loaded': 'info',
  'lock.removed': 'warn',
  'lock.invalid': 'error',
  'call.denied': 'info',
}

/** Writes every event as a line of the log that is marked with `audit: true`. */
export function auditToLog(log: Log): Audit {
  return (event) => {
    const fields: LogFields = { audit: true, ...event }
    log(LEVEL[event.event], `audit: ${event.event}`, fields)
  }
}
