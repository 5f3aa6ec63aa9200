import { type JsonNode, JsonSyntaxError, scanJson, stringOf } from '../../protocol/json.ts'
import { type Pin, type PinnedKind, PINNED_KINDS } from './definition.ts'

/** The approved definitions of one backend, by name. */
export type PinnedBackend = Readonly<Record<PinnedKind, ReadonlyMap<string, Pin>>>

/** The approved definitions. A backend that is not in it was never approved, which is not the same as having none. */
export interface Lock {
  readonly backends: ReadonlyMap<string, PinnedBackend>
}

/** Why the file with the approved definitions cannot be believed. */
export class LockError extends Error {
  override readonly name = 'LockError'
  /** Where and what, without the name of the file. */
  readonly problem: string

  /**
   * @param file as its reader knows it
   * @param problem where and what, without what stands there if that may be long
   */
  constructor(file: string, problem: string) {
    super(`${file}: ${problem}`)
    this.problem = problem
  }
}

/** Largest file that is read, in bytes. */
export const MAX_LOCK_SIZE: number = 32 * 1024 * 1024

const VERSION = 1
const ABOUT = 'Definitions that were approved. Written by `toolgate pin`; review it like code.'
const MAX_TEXT = 4096
const DIGEST = /^sha256-[\w-]{43}$/
const MEMBER_DIGEST = /^[0-9a-f]{12}$/

/**
 * Reads the file with the approved definitions.
 *
 * @param file how it is called in messages
 * @throws LockError that says where the first problem is
 */
export function parseLock(text: string, file: string): Lock {
  return new LockReader(text, file).read()
}

/** How many definitions were approved. */
export function countPins({ backends }: Lock): number {
  return [...backends.values()].reduce((sum, { tools, prompts }) => sum + tools.size + prompts.size, 0)
}

/** The file: sorted, a line per fact, so that a change of it is read as what it means. */
export function formatLock(lock: Lock): string {
  const backends = sorted(lock.backends).map(([name, pinned]) => {
    const kinds = PINNED_KINDS.map((kind) => {
      const pins = sorted(pinned[kind]).map(([key, pin]) => property(key, pinText(pin), 4))
      return property(kind, block(pins, 3), 3)
    })
    return property(name, block(kinds, 2), 2)
  })
  const members = [
    property('about', JSON.stringify(ABOUT), 1),
    property('lockVersion', String(VERSION), 1),
    property('backends', block(backends, 1), 1),
  ]
  return `${block(members, 0)}\n`
}

function pinText(pin: Pin): string {
  const members = sorted(new Map(Object.entries(pin.members)))
  return block(
    [
      property('digest', JSON.stringify(pin.digest), 5),
      property('summary', JSON.stringify(pin.summary), 5),
      property('arguments', `[${pin.arguments.map((name) => JSON.stringify(name)).join(', ')}]`, 5),
      property(
        'members',
        block(
          members.map(([key, digest]) => property(key, JSON.stringify(digest), 6)),
          5,
        ),
        5,
      ),
    ],
    4,
  )
}

function property(key: string, json: string, depth: number): string {
  return `${'  '.repeat(depth)}${JSON.stringify(key)}: ${json}`
}

function block(lines: readonly string[], depth: number): string {
  return lines.length === 0 ? '{}' : `{\n${lines.join(',\n')}\n${'  '.repeat(depth)}}`
}

function sorted<T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

class LockReader {
  readonly #text: string
  readonly #file: string

  constructor(text: string, file: string) {
    this.#text = text
    this.#file = file
  }

  read(): Lock {
    const root = this.#members(this.#scan(), 'the file')
    const version = root.get('lockVersion')
    if (version?.kind !== 'number') {
      this.#fail('is no lock file of toolgate: it has no "lockVersion". Set integrity.lock to another name')
    }
    if (this.#text.slice(version.start, version.end) !== String(VERSION)) {
      this.#fail(`"lockVersion" is not ${VERSION}: it was written by another version of toolgate`)
    }
    this.#known(root, ['about', 'lockVersion', 'backends'], 'the file')
    const backends = this.#members(root.get('backends'), '"backends"')
    return { backends: new Map([...backends].map(([name, node]) => [name, this.#backend(node, name)])) }
  }

  #scan(): JsonNode {
    try {
      return scanJson(this.#text, { detail: Infinity, maxDepth: 8 })
    } catch (error) {
      if (error instanceof JsonSyntaxError) return this.#fail(this.#located(error))
      throw error
    }
  }

  /** A merge that was left half done is what most often breaks the file. */
  #located(error: JsonSyntaxError): string {
    if (/^(<{7}|={7}|>{7})( |$)/m.test(this.#text)) return 'holds the marks of an unfinished merge'
    const line = this.#text.slice(0, error.offset).split('\n').length
    return `line ${line}: ${error.message.replace(/ at offset \d+$/, '')}`
  }

  #backend(node: JsonNode, name: string): PinnedBackend {
    const place = `backends.${quoted(name)}`
    const kinds = this.#members(node, place)
    this.#known(kinds, PINNED_KINDS, place)
    return {
      tools: this.#pins(kinds.get('tools'), `${place}.tools`),
      prompts: this.#pins(kinds.get('prompts'), `${place}.prompts`),
    }
  }

  #pins(node: JsonNode | undefined, place: string): ReadonlyMap<string, Pin> {
    if (node === undefined) return new Map()
    const members = this.#members(node, place)
    return new Map([...members].map(([key, pin]) => [key, this.#pin(pin, `${place}.${quoted(key)}`)]))
  }

  #pin(node: JsonNode, place: string): Pin {
    const members = this.#members(node, place)
    this.#known(members, ['digest', 'summary', 'arguments', 'members'], place)
    const digest = this.#string(members.get('digest'), `${place}.digest`)
    if (!DIGEST.test(digest)) this.#fail(`${place}.digest is no digest (sha256-…): pin this definition again`)
    const list = members.get('arguments')
    if (list !== undefined && list.kind !== 'array') this.#fail(`${place}.arguments is no list`)
    const names = (list?.kind === 'array' ? list.items : undefined) ?? []
    const parts = members.get('members')
    return {
      digest,
      summary: this.#optional(members.get('summary'), `${place}.summary`),
      arguments: names.map((name) => this.#string(name, `${place}.arguments`)),
      members: parts === undefined ? {} : this.#memberDigests(parts, `${place}.members`),
    }
  }

  #memberDigests(node: JsonNode, place: string): Pin['members'] {
    const entries = [...this.#members(node, place)].map(([key, value]) => {
      const digest = this.#string(value, `${place}.${quoted(key)}`)
      if (!MEMBER_DIGEST.test(digest))
        this.#fail(`${place}.${quoted(key)} is no digest of 12 hexadecimal digits`)
      return [key, digest] as const
    })
    return Object.fromEntries(entries)
  }

  #members(node: JsonNode | undefined, place: string): ReadonlyMap<string, JsonNode> {
    if (node?.kind !== 'object')
      return this.#fail(`${place} is ${node === undefined ? 'missing' : 'no object'}`)
    return new Map((node.members ?? []).map(({ key, value }) => [key, value]))
  }

  #known(members: ReadonlyMap<string, unknown>, known: readonly string[], place: string): void {
    for (const key of members.keys()) {
      if (!known.includes(key))
        this.#fail(`${place} has an unknown member ${quoted(key)}; known are ${known.join(', ')}`)
    }
  }

  #optional(node: JsonNode | undefined, place: string): string {
    return node === undefined ? '' : this.#string(node, place)
  }

  #string(node: JsonNode | undefined, place: string): string {
    const value = stringOf(this.#text, node)
    if (value === undefined) return this.#fail(`${place} is ${node === undefined ? 'missing' : 'no text'}`)
    if (value.length > MAX_TEXT) return this.#fail(`${place} is longer than ${MAX_TEXT} characters`)
    return value
  }

  #fail(problem: string): never {
    throw new LockError(this.#file, problem)
  }
}

/** A key in a message: short, and without what could forge a line of a terminal or log. */
function quoted(key: string): string {
  return JSON.stringify(key.replace(/[^\x20-\x7e]/g, '?').slice(0, 64))
}
