import type { Environment } from './interpolate.ts'
import { nearest } from './nearest.ts'
import type { ConfigPath, Finding } from './problem.ts'
import { isMapping } from './tree.ts'

/** The environment of whoever chooses none. */
const DEFAULT_ENVIRONMENT = 'development'

/** What the name of an environment looks like. */
export const ENVIRONMENT_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/

/** What the URL of a backend looks like in the short form, before references are replaced. */
export const SHORT_URL: RegExp = /^https?:\/\/|^\$\{/

/** Most environments of one configuration: each is checked whenever it is read. */
export const MOST_ENVIRONMENTS = 100

/** What an environment lays over the rest of its file. */
export interface Overlay {
  /** In the shape of a file of ours. */
  readonly value: Readonly<Record<string, unknown>>
  readonly problems: readonly Finding[]
  /** Where a path of `value` stands below the name of the environment. */
  readonly originalPath: (path: ConfigPath) => ConfigPath
}

/**
 * Reads the overlay of one environment. What is no section and begins like a URL is a backend by its URL alone, so that
 * an environment may be a list of them: `production: { github: https://… }`. A backend that is called like a section is
 * written below `backends`.
 *
 * @param found as it stands in the file; nothing changes nothing
 * @param sections what a file may have at its top
 */
export function readOverlay(found: unknown, sections: readonly string[]): Overlay {
  if (found === null || found === undefined) return { value: {}, problems: [], originalPath: (path) => path }
  if (!isMapping(found)) {
    const message = 'expected a mapping: sections as in the file itself, or backends with their URLs'
    return { value: {}, problems: [{ path: [], message }], originalPath: (path) => path }
  }
  const short = Object.keys(found).filter((key) => !sections.includes(key) && isUrl(found[key]))
  const others = Object.entries(found).filter(([key]) => !short.includes(key))
  const backends = isMapping(found['backends']) ? found['backends'] : {}
  const added = Object.fromEntries(short.map((name) => [name, found[name]]))
  const homonyms = others.filter(([key, value]) => isHomonym(key, value) && sections.includes(key))
  const known = others.filter((entry) => sections.includes(entry[0]) && !homonyms.includes(entry))
  return {
    value: {
      ...Object.fromEntries(known),
      ...(short.length === 0 ? {} : { backends: { ...backends, ...added } }),
    },
    problems: [
      ...others.filter(([key]) => !sections.includes(key)).map(([key]) => notKnown(key, sections)),
      ...short.filter((name) => Object.hasOwn(backends, name)).map(twice),
      ...homonyms.map(homonym),
    ],
    originalPath: (path) =>
      path[0] === 'backends' && short.includes(String(path[1])) ? path.slice(1) : path,
  }
}

function isUrl(value: unknown): boolean {
  return typeof value === 'string' && SHORT_URL.test(value)
}

/** True for what was meant to be a backend that is called like a section: no section is a URL. */
function isHomonym(key: string, value: unknown): boolean {
  return key !== 'backends' && typeof value === 'string' && /^https?:\/\//.test(value)
}

function notKnown(key: string, sections: readonly string[]): Finding {
  const suggestion = nearest(key, sections)
  const message =
    `unknown setting; known here: ${sections.join(', ')}, or the name of a backend with its URL alone; ` +
    'more about a backend stands below backends'
  return { path: [key], at: 'key', message, ...(suggestion === undefined ? {} : { suggestion }) }
}

function twice(name: string): Finding {
  return {
    path: [name],
    at: 'key',
    message: `stands below backends of this environment too: it has one of them`,
  }
}

function homonym([key]: readonly [string, unknown]): Finding {
  const message = `${key} is a section; a backend of that name is written backends: { ${key}: … }`
  return { path: [key], at: 'key', message }
}

/** Which environment counts. */
export type Chosen =
  /** Undefined for a configuration without environments. */
  | { readonly kind: 'chosen'; readonly name: string | undefined }
  /** There are environments, and nobody says which. */
  | { readonly kind: 'open'; readonly message: string }
  | { readonly kind: 'unknown'; readonly message: string; readonly suggestion?: string }

/**
 * Chooses the environment: the one that is asked for, or else that of `TOOLGATE_ENV`, of `ENVIRONMENT`, or `development`.
 * Variables are not looked at where there are no environments, because they may be meant for others.
 */
export function chooseEnvironment(
  known: readonly string[],
  asked: string | undefined,
  env: Environment,
): Chosen {
  if (known.length === 0) {
    if (asked === undefined) return { kind: 'chosen', name: undefined }
    const message = `there is no environment ${shown(asked)}, because this configuration has no environments`
    return { kind: 'unknown', message }
  }
  const variable = ['TOOLGATE_ENV', 'ENVIRONMENT'].find((name) => (env[name] ?? '') !== '')
  const name = asked ?? (variable === undefined ? DEFAULT_ENVIRONMENT : (env[variable] ?? ''))
  if (known.includes(name)) return { kind: 'chosen', name }
  if (asked === undefined && variable === undefined) {
    const message =
      `choose one of ${known.join(', ')} with --env, TOOLGATE_ENV or ENVIRONMENT ` +
      `(${DEFAULT_ENVIRONMENT}, the one without a choice, is not there)`
    return { kind: 'open', message }
  }
  const whose = asked === undefined ? ` (of ${variable})` : ''
  const suggestion = nearest(name, known)
  const message = `there is no environment ${shown(name)}${whose}; known are ${known.join(', ')}`
  return { kind: 'unknown', message, ...(suggestion === undefined ? {} : { suggestion }) }
}

/** Whoever asks, or a variable, could say anything. */
function shown(name: string): string {
  return ENVIRONMENT_NAME.test(name) ? name : 'of that name'
}
