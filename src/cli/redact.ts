import { isKnownKey, isSecretName } from '../config/secret-names.ts'

/** What stands for a secret in what is printed. */
export const HIDDEN: string = '…'

/** Long words without any separator of words. */
const LONG_WORD = /^[A-Za-z0-9+/_=-]{32,}$/

const HARMLESS =
  /^(true|false|yes|no|on|off|\d{1,5}|trace|debug|info|warn|warning|error|production|development|test|local|stdio)$/i
const PLACE = /^(~|\.{1,2}|[A-Za-z]:)?[/\\]/

/** True for a text that looks like a key, or like a URL that holds one. */
export function isSecretValue(value: string): boolean {
  if (PLACE.test(value)) return false
  const url = URL.parse(value)
  if (url === null || !value.includes('://')) return isKnownKey(value) || LONG_WORD.test(value)
  return url.username !== '' || url.password !== '' || url.search !== '' || /[^/]{24,}/.test(url.pathname)
}

/** True only for a value that is certainly no secret: a switch, a small number, a path, a plain URL. */
export function isHarmless(name: string, value: string): boolean {
  if (isSecretName(name)) return false
  if (HARMLESS.test(value) || PLACE.test(value)) return true
  return /^https?:\/\//.test(value) && !isSecretValue(value)
}

/** Which arguments of a command line are secret: those that look like it, and what follows a flag such as `--token`. */
export function secretArguments(args: readonly string[]): readonly boolean[] {
  return args.map((arg, index) => {
    const before = args[index - 1]
    const flagged = before !== undefined && /^--?[^=]+$/.test(before) && isSecretName(before)
    return (flagged && !arg.startsWith('-')) || isSecretValue(valueOf(arg)) || isSecretName(flagOf(arg))
  })
}

/** `--token=x` → `--token`; `KEY=x` → `KEY`; anything without a value → nothing. */
function flagOf(arg: string): string {
  return /^([^=\s/]+)=./.exec(arg)?.[1] ?? ''
}

function valueOf(arg: string): string {
  const flag = flagOf(arg)
  return flag === '' ? arg : arg.slice(flag.length + 1)
}

/** A command as it would be typed, with secrets hidden. */
export function commandLine(command: string, args: readonly string[]): string {
  const secret = secretArguments(args)
  const shown = args.map((arg, index) => {
    if (secret[index] !== true) return quote(arg)
    const flag = flagOf(arg)
    return flag === '' ? HIDDEN : `${flag}=${HIDDEN}`
  })
  return [quote(command), ...shown].join(' ')
}

function quote(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}

/** A URL with the values of its query hidden, and its path too where that looks like a key. */
export function shownUrl(address: string): string {
  const url = URL.parse(address)
  if (url === null) return HIDDEN
  const path = url.pathname.replaceAll(/[^/]{24,}/g, HIDDEN)
  const names = [...new Set(url.searchParams.keys())].map((name) => `${name}=${HIDDEN}`)
  return `${url.origin}${path}${names.length > 0 ? `?${names.join('&')}` : ''}`
}
