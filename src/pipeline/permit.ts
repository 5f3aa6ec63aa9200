import type { Rights } from './rights.ts'
import type { Target } from './target.ts'

const MINT: unique symbol = Symbol('mint')

/**
 * Proof that authorisation allowed a call on exactly this target. The private field makes it impossible to build
 * one by hand or to copy one onto another target; the linter lets only `filters/authorize` import {@link mintPermit}.
 */
export class Permit {
  readonly #target: Target
  readonly #rights: Rights | undefined

  /** Not callable from outside: the key never leaves this file. */
  constructor(key: typeof MINT, target: Target, rights?: Rights) {
    if (key !== MINT) throw new TypeError('A permit is minted, not built')
    this.#target = target
    this.#rights = rights
  }

  /** What the permit is for. */
  get target(): Target {
    return this.#target
  }

  /** What of the answers of several backends may come back; undefined lets everything through. */
  get rights(): Rights | undefined {
    return this.#rights
  }
}

/** For `filters/authorize` alone. */
export function mintPermit(target: Target, rights?: Rights): Permit {
  return new Permit(MINT, target, rights)
}
