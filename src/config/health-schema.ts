import { z } from 'zod'
import { count, duration, leaf, off, section, textSchema } from './leaves.ts'
import type { HealthConfig } from './types.ts'
import type { Parsed } from './units.ts'

const path = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && /^\/[\x21-\x7e]*$/.test(found) && !found.includes('#')
      ? { value: found }
      : { expected: 'expected a path on the server, such as /health' },
  {
    ...textSchema('^/[^#\\s]*$'),
    description:
      'Path that is asked with GET instead; 200 to 299 is healthy. In the language of MCP if left out.',
  },
)

const common = {
  interval: duration('Time between two checks.', 1).prefault('30s'),
  timeout: duration('How long a check waits for its answer.', 1).prefault('5s'),
  unhealthy: count('Failed checks in a row after which a backend is unhealthy.', 100).prefault(3),
  healthy: count('Good checks in a row after which it is healthy again.', 100).prefault(2),
}

const DESCRIPTION = 'Whether the backend is asked from time to time how it is; off never asks.'

/** Health checks of an HTTP backend. */
export const httpHealth: z.ZodType<HealthConfig | undefined> = z
  .union([off, section({ path: path.optional(), ...common }, DESCRIPTION)])
  .prefault({})
  .meta({ description: DESCRIPTION })

/** Health checks of a stdio backend. */
export const stdioHealth: z.ZodType<HealthConfig | undefined> = z
  .union([off, section(common, DESCRIPTION)])
  .prefault({})
  .meta({ description: DESCRIPTION })
