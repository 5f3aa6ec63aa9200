import { z } from 'zod'
import { leaf } from './leaves.ts'
import type { Parsed } from './units.ts'

/** `arguments` or `result`, and the members that lead to the value. */
const PATH = /^(arguments|result|\*\*)(\.[^.]+)*$/

const path = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && found.length <= 512 && PATH.test(found)
      ? { value: found }
      : { expected: 'expected a path, such as arguments.card.number, result.content.*.text or **.pin' },
  { type: 'string', pattern: PATH.source },
)

/** The `telemetry.redact` list. */
export const redact: z.ZodType<readonly string[] | undefined> = z.array(path).optional().meta({
  description:
    'Values that are hidden wherever arguments and results are told: * is any member or element, ** any number of them.',
})
