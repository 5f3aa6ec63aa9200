import type { JsonSchema } from './json-schema.ts'
import type { ConfigPath } from './problem.ts'
import { isMapping, valueAt } from './tree.ts'

/** The forms that a value may have, where a schema leaves a choice. */
export function formsOf(schema: JsonSchema): readonly JsonSchema[] {
  const { anyOf } = schema
  return Array.isArray(anyOf) ? anyOf.flatMap((each: JsonSchema) => formsOf(each)) : [schema]
}

/** The form of a mapping that fits these keys best; undefined if it may be none. */
export function mappingForm(schema: JsonSchema, keys: readonly string[]): JsonSchema | undefined {
  const misfit = (form: JsonSchema): number => {
    const required: readonly unknown[] = Array.isArray(form['required']) ? form['required'] : []
    const unknown = keys.filter((key) => memberSchema(form, key) === undefined)
    return unknown.length + required.filter((key) => !keys.includes(String(key))).length
  }
  const forms = formsOf(schema).filter((form) => form['type'] === 'object')
  return forms.toSorted((a, b) => misfit(a) - misfit(b))[0]
}

/** The schema of one member of a mapping; undefined if there is none of that name. */
export function memberSchema(form: JsonSchema, key: string): JsonSchema | undefined {
  const { properties, additionalProperties } = form
  if (isMapping(properties) && isDeclared(form, key)) return properties[key] as JsonSchema
  return isMapping(additionalProperties) ? additionalProperties : undefined
}

/** The schema of the items of a list; undefined for what may be no list. */
export function itemSchema(schema: JsonSchema): JsonSchema | undefined {
  const items = formsOf(schema).find((form) => form['type'] === 'array')?.['items']
  return isMapping(items) ? items : undefined
}

/** True if a setting may stand at a path. What has a name of its user's choice has to be there. */
export function isKnownPath(schema: JsonSchema, value: unknown, [key, ...rest]: ConfigPath): boolean {
  if (key === undefined) return true
  const next = valueAt(value, [key])
  const forms =
    typeof key === 'number'
      ? [itemSchema(schema)]
      : formsOf(schema).map((form) =>
          next !== undefined || isDeclared(form, key) ? memberSchema(form, key) : undefined,
        )
  return forms.some((form) => form !== undefined && isKnownPath(form, next, rest))
}

function isDeclared({ properties }: JsonSchema, key: string): boolean {
  return isMapping(properties) && Object.hasOwn(properties, key)
}
