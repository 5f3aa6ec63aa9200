import type { Cell, Era } from '../cells.ts'

/** Scenarios about OAuth: the gateway is no OAuth client yet, and they have a mock of their own. */
const OAUTH = 'auth/'

/** The cells where the suite is the server: every era of a client before the gateway with every era behind it. */
export const CLIENT_CELLS: readonly ClientCell[] = [
  clientCell('modern', 'modern'),
  clientCell('legacy', 'legacy'),
  clientCell('legacy', 'modern'),
  clientCell('modern', 'legacy'),
]

/** A cell in which the gateway is judged as a client: `server` decides which requirement set of the suite runs. */
export interface ClientCell extends Cell {
  readonly server: Era
}

function clientCell(client: Era, server: Era): ClientCell {
  return { name: `client:${client}-${server}`, client, server }
}

/** Of the scenarios for clients, those that concern the gateway. */
export function withoutOAuth(scenarios: readonly string[]): readonly string[] {
  return scenarios.filter((scenario) => !scenario.startsWith(OAUTH))
}
