import { parseDictionary, serializeInnerList } from 'structured-headers'

/** A value of a structured field; bytes come as an `ArrayBuffer` (RFC 9651 §3.3). */
export type BareItem = string | number | boolean | ArrayBuffer | object

/** Parameters of an item or list (§3.1.2). */
export type Parameters = ReadonlyMap<string, BareItem>

/** A value with its parameters. */
export type Item = readonly [BareItem, Parameters]

/** A list in parentheses with its parameters. */
export type InnerList = readonly [readonly Item[], Parameters]

/** A dictionary (§3.2): what stands under each key. */
export type Dictionary = ReadonlyMap<string, Item | InnerList>

/** Reads a dictionary; undefined where the text is none. */
export function readDictionary(text: string): Dictionary | undefined {
  try {
    // The types of the package name a global that Node does not have; these here say the same.
    const parsed: unknown = parseDictionary(text)
    return parsed as Dictionary
  } catch {
    return undefined
  }
}

/** Whether a member of a dictionary is a list in parentheses. */
export function isInnerList(member: Item | InnerList): member is InnerList {
  return Array.isArray(member[0])
}

/** A list in parentheses in its one canonical spelling. */
export function innerListText(list: InnerList): string {
  const serialize = serializeInnerList as unknown as (list: InnerList) => string
  return serialize(list)
}
