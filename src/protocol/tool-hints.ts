import { type JsonNode, member } from './json.ts'

/**
 * What a tool says of itself (2026-07-28, schema `ToolAnnotations`), with the specification's defaults for what it does not
 * say. Hints are claims of a server, not facts: a rule may be stricter because of one, and should not be laxer.
 */
export interface ToolHints {
  readonly readOnlyHint: boolean
  readonly destructiveHint: boolean
  readonly idempotentHint: boolean
  readonly openWorldHint: boolean
}

/** The names of the hints. */
export const HINT_NAMES = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'] as const

/** The name of a hint. */
export type HintName = (typeof HINT_NAMES)[number]

/** One object for each combination, so that hints can be compared by identity. */
const ALL: readonly ToolHints[] = Array.from({ length: 16 }, (_, bits) => ({
  readOnlyHint: (bits & 1) !== 0,
  destructiveHint: (bits & 2) !== 0,
  idempotentHint: (bits & 4) !== 0,
  openWorldHint: (bits & 8) !== 0,
}))

/** The hints with the defaults of the specification. A tool that only reads destroys nothing unless it says so. */
export function toolHints(said: Partial<ToolHints> = {}): ToolHints {
  const { readOnlyHint = false, idempotentHint = false, openWorldHint = true } = said
  const destructiveHint = said.destructiveHint ?? !readOnlyHint
  const bits =
    Number(readOnlyHint) +
    2 * Number(destructiveHint) +
    4 * Number(idempotentHint) +
    8 * Number(openWorldHint)
  return ALL[bits] ?? { readOnlyHint, destructiveHint, idempotentHint, openWorldHint }
}

/** The hints in the `annotations` of a tool; what is no boolean is not said. */
export function readToolHints(annotations: JsonNode | undefined): ToolHints {
  const said: Partial<Record<HintName, boolean>> = {}
  for (const name of HINT_NAMES) {
    const node = member(annotations, name)
    if (node?.kind === 'boolean') said[name] = node.end - node.start === 'true'.length
  }
  return toolHints(said)
}
