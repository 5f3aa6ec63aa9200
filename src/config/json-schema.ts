import { z } from 'zod'
import { fileSchema } from './schema.ts'

/** The JSON Schema (2020-12) of a configuration file, for editors: made from the schema that checks the file. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  return { ...z.toJSONSchema(fileSchema, { target: 'draft-2020-12', io: 'input' }) }
}
