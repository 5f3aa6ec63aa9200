import { z } from 'zod'
import { ENVIRONMENT_NAME, SHORT_URL } from './environments.ts'
import { fileSchema } from './schema.ts'
import { isMapping } from './tree.ts'

/** A JSON Schema, or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>

/**
 * The JSON Schema (2020-12) of a configuration file, for editors: made from the schema that checks the file. Nothing is
 * required at its top, because a file may be one of several.
 */
export function configJsonSchema(): JsonSchema {
  const { required: _, ...schema } = z.toJSONSchema(fileSchema, { target: 'draft-2020-12', io: 'input' })
  const { environments, ...sections } = schema.properties ?? {}
  return {
    ...schema,
    properties: {
      ...sections,
      environments: {
        ...(isMapping(environments) ? { description: environments['description'] } : {}),
        type: ['object', 'null'],
        propertyNames: { pattern: ENVIRONMENT_NAME.source },
        additionalProperties: { anyOf: [{ $ref: '#/$defs/environment' }, { type: 'null' }] },
      },
    },
    $defs: {
      environment: {
        title: 'What an environment lays over the rest',
        type: 'object',
        properties: partOf({ properties: sections })['properties'],
        // The short form: backends by their URLs alone.
        additionalProperties: { type: 'string', pattern: SHORT_URL.source },
      },
    },
  }
}

/**
 * The JSON Schema of a file that is laid over others: of mappings every member may be left out, and `null` removes. Lists
 * are replaced as a whole, so that their items are what they are in any file.
 */
export function overlayJsonSchema(): JsonSchema {
  const { properties, ...rest } = configJsonSchema()
  const { environments, ...sections } = isMapping(properties) ? properties : {}
  return { ...rest, properties: { ...membersOf(sections), environments } }
}

/** The schema of what may be laid over something that fits `schema`. */
function partOf(schema: JsonSchema): JsonSchema {
  const { required: _, default: __, properties, additionalProperties, anyOf, ...rest } = schema
  return {
    ...rest,
    ...(isMapping(properties) ? { properties: membersOf(properties) } : {}),
    ...(isMapping(additionalProperties)
      ? { additionalProperties: orNull(additionalProperties) }
      : additionalProperties === undefined
        ? {}
        : { additionalProperties }),
    ...(Array.isArray(anyOf) ? { anyOf: anyOf.map((each: JsonSchema) => partOf(each)) } : {}),
  }
}

function membersOf(properties: JsonSchema): JsonSchema {
  return Object.fromEntries(
    Object.entries(properties).map(([key, member]) => [key, orNull(member as JsonSchema)]),
  )
}

function orNull(schema: JsonSchema): JsonSchema {
  const { description, ...rest } = partOf(schema)
  const alternatives = Array.isArray(rest['anyOf']) && Object.keys(rest).length === 1 ? rest['anyOf'] : [rest]
  const told = description === undefined ? {} : { description }
  return { ...told, anyOf: [...(alternatives as readonly JsonSchema[]), { type: 'null' }] }
}
