import type { HintName } from '../protocol/tool-hints.ts'

/**
 * What is let through or not. Tools and prompts as `<backend>_<name>` whatever name is exposed, or as `<backend>/<name>`;
 * resources by the URI that their backend has for them. `*` stands for any characters in all of them.
 */
export interface ThingsConfig {
  readonly tools: readonly string[]
  readonly prompts: readonly string[]
  readonly resources: readonly string[]
}

/** What a scope opens. */
export interface GrantConfig extends ThingsConfig {
  /** The scope; `*` in it stands for any characters. */
  readonly scope: string
}

/**
 * One rule. All that it says must be true of a call; what it leaves out does not matter. Of a list, one entry must be
 * true, except of scopes, which must all be held. `*` stands for any characters.
 */
export interface RuleConfig {
  /** What logs and explanations call it; undefined: by its place. */
  readonly name: string | undefined
  readonly effect: 'allow' | 'deny'
  readonly anonymous: boolean | undefined
  readonly subjects: readonly string[] | undefined
  readonly groups: readonly string[] | undefined
  readonly tenants: readonly string[] | undefined
  readonly clients: readonly string[] | undefined
  readonly issuers: readonly string[] | undefined
  readonly scopes: readonly string[] | undefined
  readonly claims: Readonly<Record<string, readonly string[]>> | undefined
  /** Paths, such as `/mcp` or `/mcp/github`. */
  readonly routes: readonly string[] | undefined
  readonly backends: readonly string[] | undefined
  /** Undefined: everything that there is. */
  readonly things: ThingsConfig | undefined
  /** What a tool must say of itself. Such a rule is about tools alone. */
  readonly annotations: Readonly<Partial<Record<HintName, boolean>>> | undefined
  /** An expression in CEL. */
  readonly when: string | undefined
}

/** Who may do what. Whatever is not allowed is denied. */
export interface AuthorizationConfig {
  /** Consulted in order where no rule decides. */
  readonly scopes: readonly GrantConfig[]
  /** The scopes that whoever holds a scope holds too. */
  readonly scopeHierarchy: Readonly<Record<string, readonly string[]>>
  /** Consulted in order: the first that is true of a call decides. */
  readonly rules: readonly RuleConfig[]
  /** Bytes of arguments above which a call that an expression has to judge is denied. Default 64 KiB. */
  readonly argumentSize: number
}
