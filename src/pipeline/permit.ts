import type { Target } from './target.ts'

const MINT: unique symbol = Symbol('mint')

/**
 * Proof that authorisation allowed a call on exactly this target. The private field makes it impossible to build
 * one by hand or to copy one onto another target; the linter lets only `filters/authorize` import {@link mintPermit}.
 */
export class Permit {
  readonly #target: Target

  /** Not callable from outside: the key never leaves this file. */
  constructor(key: typeof MINT, target: Target) {
    if (key !== MINT) throw new TypeError('A permit is minted, not built')
    this.#target = target
  }

  /** What the permit is for. */
  get target(): Target {
    return this.#target
  }
}

/** For `filters/authorize` alone. */
export function mintPermit(target: Target): Permit {
  return new Permit(MINT, target)
}
