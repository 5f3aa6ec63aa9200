/** The two protocol eras a side of a cell can speak. */
export type Era = 'modern' | 'legacy'

/** One combination of who calls and who answers. */
export interface Cell {
  /** `<client era>-<server era>`. */
  readonly name: string
  /** Decides which requirement set of the suite runs. */
  readonly client: Era
  /** What the fixture speaks; `dual` only without a gateway. */
  readonly server: Era | 'dual'
}

const cell = (client: Era, server: Era | 'dual'): Cell => ({ name: `${client}-${server}`, client, server })

/** The cells behind a gateway: every client era with every server era. */
export const GATEWAY_CELLS: readonly Cell[] = [
  cell('modern', 'modern'),
  cell('legacy', 'legacy'),
  cell('legacy', 'modern'),
  cell('modern', 'legacy'),
]

/** The cells without a gateway: only those that understand each other. */
export const DIRECT_CELLS: readonly Cell[] = [
  cell('modern', 'modern'),
  cell('legacy', 'legacy'),
  cell('modern', 'dual'),
  cell('legacy', 'dual'),
]

/** The requirement set of the suite for a client of an era. */
export const REVISIONS: Readonly<Record<Era, Revision>> = { modern: '2026-07-28', legacy: '2025-11-25' }

/** A frozen requirement set of the suite. */
export type Revision = '2026-07-28' | '2025-11-25'
