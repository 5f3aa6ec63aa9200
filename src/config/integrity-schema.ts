import type { z } from 'zod'
import { choice, mapping, section, words } from './leaves.ts'
import type { IntegrityPolicy } from './types.ts'

const DRIFT = ['quarantine', 'warn', 'allow'] as const

const onChange = choice(DRIFT, 'What happens to a tool or prompt whose definition is not the approved one.')
const onNew = choice(
  DRIFT,
  'What happens to a tool or prompt that was not there when its backend was approved.',
)
const onShadow = choice(DRIFT, "What happens to a tool that is made to pass for another backend's.")
const onInvisible = choice(
  ['escape', 'exclude'],
  'What happens to texts with invisible characters: shown as \\u202e, or the definition is left out.',
)

/** The section `integrity` of the file. */
export const integrity: z.ZodType<IntegrityInput> = section(
  {
    lock: words(
      'File with the approved definitions, relative to this file; toolgate pin writes it.',
    ).prefault('tools.lock'),
    onChange: onChange.prefault('quarantine'),
    onNew: onNew.prefault('quarantine'),
    onShadow: onShadow.prefault('warn'),
    onInvisible: onInvisible.prefault('escape'),
  },
  'What backends may say about their tools: definitions are held against those that were approved.',
)

/** The section `integrity` of one backend: what differs from the general one. */
export const backendIntegrity: z.ZodType<Partial<IntegrityPolicy> | undefined> = mapping({
  onChange: onChange.exactOptional(),
  onNew: onNew.exactOptional(),
  onShadow: onShadow.exactOptional(),
  onInvisible: onInvisible.exactOptional(),
})
  .meta({ description: 'What differs for this backend from the general section integrity.' })
  .optional()

/** The section as it is written, with defaults filled in. */
export interface IntegrityInput extends IntegrityPolicy {
  readonly lock: string
}
