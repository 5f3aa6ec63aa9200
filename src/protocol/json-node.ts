/** A member of an object: its decoded key, where the key starts, and its value. */
export interface JsonMember {
  readonly key: string
  readonly start: number
  readonly value: JsonNode
}

/** An object; `members` is undefined below the depth that was asked for. */
export interface JsonObject {
  readonly kind: 'object'
  readonly start: number
  readonly end: number
  /** Whether a key in it, at any depth, is written with an escape; undefined when nobody looked. See `valueOf`. */
  readonly escapedKeys?: boolean
  readonly members: readonly JsonMember[] | undefined
}

/** An array; `items` is undefined below the depth that was asked for. */
export interface JsonArray {
  readonly kind: 'array'
  readonly start: number
  readonly end: number
  /** As in {@link JsonObject}. */
  readonly escapedKeys?: boolean
  readonly items: readonly JsonNode[] | undefined
}

/** A string, number, boolean or null. */
export interface JsonScalar {
  readonly kind: 'string' | 'number' | 'boolean' | 'null'
  readonly start: number
  readonly end: number
  /** Whether a string is written without escapes, or a number as an integer; true for everything else. */
  readonly isPlain: boolean
}

/** A value with its span: `text.slice(start, end)` is exactly what was written. */
export type JsonNode = JsonObject | JsonArray | JsonScalar
