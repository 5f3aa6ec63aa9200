import { z } from 'zod'
import { pathSegment } from '../protocol/path-segment.ts'
import { urls } from './endpoints-schema.ts'
import { duration, leaf, mapping, words } from './leaves.ts'
import { isMapping } from './tree.ts'
import type { RestToolConfig } from './types.ts'
import type { Parsed } from './units.ts'

/** What is said of a REST service, as it is written. */
export interface RestInput {
  readonly url: string | readonly string[]
  readonly tools?: Readonly<Record<string, Omit<RestToolConfig, 'name'>>> | undefined
  readonly refresh: number
}

/** The name of a tool: what its path ends with. */
const toolName = z.string().check((context) => {
  const name = context.value
  if (/^[\x21-\x7e]{1,128}$/.test(name) && pathSegment(name) !== undefined) return
  const message = 'expected a name of 1 to 128 visible ASCII characters, without . or .. as a step of a path'
  context.issues.push({ code: 'custom', message, input: name })
})

const objectSchema = leaf(
  (found): Parsed<Readonly<Record<string, unknown>>> =>
    isMapping(found) && found['type'] === 'object'
      ? { value: found }
      : { expected: 'expected a JSON Schema with type: object' },
  { type: 'object', description: 'JSON Schema of the arguments, of type object. Any object if left out.' },
)

const anySchema = leaf(
  (found): Parsed<Readonly<Record<string, unknown>>> =>
    isMapping(found) ? { value: found } : { expected: 'expected a JSON Schema' },
  { type: 'object', description: 'JSON Schema of the JSON that it answers with.' },
)

const hint = (description: string): z.ZodOptional<z.ZodBoolean> =>
  z.boolean().optional().meta({ description })

const annotations = mapping({
  title: words('Name for people.').optional(),
  readOnlyHint: hint('It changes nothing.'),
  destructiveHint: hint('It may destroy something.'),
  idempotentHint: hint('Calling it twice with the same arguments is as good as once.'),
  openWorldHint: hint('It deals with the world outside of the service.'),
})

const tool = mapping({
  title: words('Name for people.').optional(),
  description: words('What it does: models read it.').optional(),
  inputSchema: objectSchema.prefault({ type: 'object' }),
  outputSchema: anySchema.optional(),
  annotations: annotations.optional().meta({
    description:
      'What is true of it. You say it, so it is believed: what reads or is idempotent may be tried again.',
  }),
})

/** `rest` of a backend: the service, and the tools that it has. */
export const rest: z.ZodType<RestInput> = mapping({
  url: urls.meta({
    description: 'URL of the service, or of each of its endpoints: /tools/<tool> and /health stand below it.',
  }),
  tools: z.record(toolName, tool).optional().meta({
    description: 'Its tools by name. If left out, the service is asked at /tools.',
  }),
  refresh: duration('How long the tools that the service names itself are taken for current.', 1).prefault(
    '1m',
  ),
}).meta({ description: 'A service over plain HTTP: each tool is a POST to /tools/<tool>.' })
