import { z } from 'zod'
import { choice, duration, off, ratio, section, words } from './leaves.ts'
import type { AccessLogConfig } from './telemetry-types.ts'

const DESCRIPTION = 'One line per call when it ends; off, and left out, writes none.'

/** The `telemetry.accessLog` section. */
export const accessLog: z.ZodType<AccessLogConfig | undefined> = z
  .union([
    off,
    section(
      {
        to: words('stdout, stderr, or a file, relative to this one; SIGHUP opens it again.').prefault(
          'stdout',
        ),
        format: choice(
          ['auto', 'pretty', 'json'],
          'auto is pretty on a terminal and JSON lines elsewhere.',
        ).prefault('auto'),
        level: choice(
          ['info', 'warn', 'error'],
          'The least urgent lines: info is all, warn what did not go well, error what the gateway or a backend failed.',
        ).prefault('info'),
        sample: ratio(
          'Part of the calls that went well and are written, such as 0.1 or 10%; all others always are.',
        ).prefault(1),
        slow: duration('From when on a call is slow, and always written.', 1).prefault('1s'),
        arguments: z.boolean().prefault(false).meta({ description: 'Writes arguments, redacted.' }),
        results: z.boolean().prefault(false).meta({ description: 'Writes results, redacted.' }),
      },
      DESCRIPTION,
    ),
  ])
  .prefault('off')
  .meta({ description: DESCRIPTION })
