import { configJsonSchema, overlayJsonSchema } from '../config/json-schema.ts'
import type { Io } from './io.ts'

/**
 * `toolgate schema`: prints the JSON Schema of the configuration.
 *
 * @param options `overlay`: of a file that is laid over others
 */
export function schemaCommand(io: Io, { overlay }: { readonly overlay: boolean }): number {
  const schema = overlay ? overlayJsonSchema() : configJsonSchema()
  io.stdout.write(`${JSON.stringify(schema, null, 2)}\n`)
  return 0
}
