import { isKnownKey, isSecretName } from '../config/secret-names.ts'
import { type JsonNode, valueOf } from '../protocol/json.ts'

/** What of a call is told only where somebody asked for it. */
export type Told = 'arguments' | 'result'

/** Makes what may be told of arguments and results. */
export interface Redactor {
  /**
   * The JSON of a value without its secrets, cut to a length; where it is much too large, only how large it is.
   *
   * @param most characters that it may have
   */
  json(told: Told, source: { readonly text: string; readonly node: JsonNode }, most: number): string
}

/** What stands for a value that is hidden. */
export const HIDDEN = '[redacted]'

/** Characters of a value that is looked at at all. */
const LONGEST_VALUE = 65_536
/** Characters of one text, and members and elements of a value, that are told. */
const LONGEST_TEXT = 1024
const MOST_NODES = 500

/** Numbers that open something, beside what is named like a secret anywhere. */
const SENSITIVE = /^(pin|otp|cvv|cvc|cvv2|ssn|iban)$|card[-_]?(number|no)$/i
/** What only begins like a secret. */
const HARMLESS = /^(co[-_]?)?authors?([-_]?(id|name|email))?$/i
const PEM = /-----BEGIN [A-Z ]+-----/
/** User and password of a URL. Not the scheme before them: where it would begin, a long word has as many places as letters. */
const CREDENTIALS = /:\/\/[^/\s@]+@/g
const BEARER = /\b(bearer|basic|dpop)\s+[\w.~+/-]{8,}/i

/** What is left of a path, from one of its parts on. The same object for the same rest. */
interface Path {
  readonly part: string
  readonly rest: Path | undefined
  /** True where no member has to follow. */
  readonly isAll: boolean
}

/** What is left of paths; undefined where one has led to the value. */
type Rests = ReadonlySet<Path | undefined>

/**
 * Creates the redactor. Besides what the paths name, everything is hidden that is named like a secret, at any depth, and
 * every text that looks like one: a well-known key, a token, a private key, a URL with a password.
 *
 * @param paths `arguments` or `result`, then members with dots between; `*` is any one, `**` any number of them
 */
export function createRedactor(paths: readonly string[]): Redactor {
  const compiled: Rests = new Set(paths.map(readPath))
  return {
    json(told, { text, node }, most) {
      const size = node.end - node.start
      if (size > LONGEST_VALUE) return omitted(size)
      const walk = new Walk()
      const json = JSON.stringify(walk.value(valueOf(text, node), advance(compiled, told)))
      return json.length > most ? omitted(json.length) : json
    },
  }
}

function omitted(size: number): string {
  return `{"omitted":"${size} characters"}`
}

function readPath(text: string): Path | undefined {
  return text
    .split('.')
    .reduceRight<Path | undefined>(
      (rest, part) => ({ part, rest, isAll: part === '**' && (rest?.isAll ?? true) }),
      undefined,
    )
}

/** The rests of those paths that go on with a member: each once, however many ways lead to it. */
function advance(paths: Rests, member: string): Rests {
  const next = new Set<Path | undefined>()
  for (const path of paths) {
    let at = path
    // Any number of members is none, too.
    for (; at?.part === '**'; at = at.rest) next.add(at)
    if (at !== undefined && (at.part === '*' || at.part === member)) next.add(at.rest)
  }
  return next
}

function isAtEnd(paths: Rests): boolean {
  for (const path of paths) if (path?.isAll ?? true) return true
  return false
}

class Walk {
  #nodes = 0

  value(found: unknown, paths: Rests): unknown {
    if (isAtEnd(paths)) return HIDDEN
    if (++this.#nodes > MOST_NODES) return '…'
    if (typeof found === 'string') return shown(found)
    if (Array.isArray(found))
      return found.map((each, index) => this.value(each, advance(paths, String(index))))
    if (typeof found !== 'object' || found === null) return found
    const entries = Object.entries(found).map(([name, value]): [string, unknown] => {
      if (isHidden(name)) return [name, HIDDEN]
      return [name, this.value(value, advance(paths, name))]
    })
    return Object.fromEntries(entries)
  }
}

function isHidden(name: string): boolean {
  return (isSecretName(name) && !HARMLESS.test(name)) || SENSITIVE.test(name)
}

function shown(text: string): string {
  if (isKnownKey(text) || PEM.test(text) || BEARER.test(text)) return HIDDEN
  const safe = text.replaceAll(CREDENTIALS, `://${HIDDEN}@`)
  return safe.length > LONGEST_TEXT
    ? `${safe.slice(0, LONGEST_TEXT)}… (${safe.length - LONGEST_TEXT} more)`
    : safe
}
