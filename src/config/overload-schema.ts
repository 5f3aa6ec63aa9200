import { z } from 'zod'
import { duration, off, section, share } from './leaves.ts'
import type { OverloadConfig } from './types.ts'

const DESCRIPTION = 'When calls are refused because the gateway itself is too busy; off never does.'

/** When the gateway refuses work that it could not do in time. */
export const overload: z.ZodType<OverloadConfig | undefined> = z
  .union([
    off,
    section(
      {
        delay: duration(
          'Delay of the event loop from which calls are refused, at first a few of them.',
          10,
        ).prefault('500ms'),
        memory: share(
          'Part of the memory in use from which calls are refused, at first a few of them.',
          10,
        ).prefault('85%'),
      },
      DESCRIPTION,
    ),
  ])
  .prefault({})
  .meta({ description: DESCRIPTION })
