import { isMapping } from '../config/tree.ts'
import { isSecretName } from '../config/secret-names.ts'
import { isHarmless, isSecretValue, secretArguments } from './redact.ts'

/** An environment variable that an imported configuration refers to instead of holding a secret. */
export interface Reference {
  readonly variable: string
  /** What it stands for, for people: `the header Authorization of github`. */
  readonly meaning: string
}

/** Gives out names of variables: the same value under the same name is one variable. */
export interface Vault {
  /** The reference that stands for a value; the value itself goes nowhere else. */
  readonly refer: (wanted: string, value: string, meaning: string) => string
  /** Notes the references that a text holds already. */
  readonly note: (text: string, meaning: string) => string
  readonly references: () => readonly Reference[]
}

/** An empty vault. */
export function createVault(): Vault {
  const values = new Map<string, string | undefined>()
  const references = new Map<string, string>()
  const remember = (variable: string, meaning: string): string => {
    if (!references.has(variable)) references.set(variable, meaning)
    return `\${${variable}}`
  }
  return {
    refer(wanted, value, meaning) {
      const base = toVariable(wanted)
      for (let number = 1; ; number++) {
        const variable = number === 1 ? base : `${base}_${number}`
        if (values.has(variable) && values.get(variable) !== value) continue
        values.set(variable, value)
        return remember(variable, meaning)
      }
    },
    note(text, meaning) {
      return text.replaceAll(/\$\{[^}]*\}/g, (reference) => {
        const [, kind, name = '', fallback] = /^\$\{(input:|env:)?([^}:]+)(:-[^}]*)?\}$/.exec(reference) ?? []
        if (kind === 'input:') return remember(toVariable(name), meaning)
        if (fallback === undefined && /^\w+$/.test(name)) remember(name, meaning)
        return reference
      })
    },
    references: () => [...references].map(([variable, meaning]) => ({ variable, meaning })),
  }
}

function toVariable(name: string): string {
  const upper = name
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
  return /^[A-Z]/.test(upper) ? upper : `VALUE_${upper}`
}

const isReference = (text: string): boolean => text.includes('${')

/** The backend with references in place of secrets: in variables, headers, arguments and the URL. */
export function extractSecrets(
  name: string,
  backend: Readonly<Record<string, unknown>>,
  vault: Vault,
): Record<string, unknown> {
  const { env, headers, args, url, ...rest } = backend
  // Variables come first: they keep their own names.
  const variables =
    isMapping(env) && Object.keys(env).length > 0 ? { env: variablesOf(name, env, vault) } : {}
  return {
    ...rest,
    ...(typeof url === 'string' ? { url: withoutSecrets(name, url, vault) } : {}),
    ...(Array.isArray(args) && args.length > 0 ? { args: argumentsOf(name, args.map(String), vault) } : {}),
    ...variables,
    ...(isMapping(headers) && Object.keys(headers).length > 0
      ? { headers: headersOf(name, headers, vault) }
      : {}),
  }
}

function variablesOf(
  name: string,
  env: Readonly<Record<string, unknown>>,
  vault: Vault,
): Record<string, string> {
  const entries = Object.entries(env).map(([key, value]) => {
    const text = String(value)
    const meaning = `the variable ${key} of ${name}`
    if (isReference(text)) return [key, vault.note(text, meaning)]
    return [key, text === '' || isHarmless(key, text) ? text : vault.refer(key, text, meaning)]
  })
  return Object.fromEntries(entries) as Record<string, string>
}

function headersOf(
  name: string,
  headers: Readonly<Record<string, unknown>>,
  vault: Vault,
): Record<string, string> {
  const entries = Object.entries(headers).map(([key, value]) => {
    const text = String(value)
    const meaning = `the header ${key} of ${name}`
    if (isReference(text)) return [key, vault.note(text, meaning)]
    if (text === '' || isHarmless(key, text)) return [key, text]
    // The scheme is no secret, and shows what is expected.
    const [, scheme = '', secret = text] = /^(Bearer |Basic |Token )(.*)$/i.exec(text) ?? []
    const wanted = scheme === '' ? `${name}_${key}` : `${name}_token`
    return [key, scheme + vault.refer(wanted, secret, meaning)]
  })
  return Object.fromEntries(entries) as Record<string, string>
}

function argumentsOf(name: string, args: readonly string[], vault: Vault): readonly string[] {
  const secret = secretArguments(args)
  return args.map((arg, index) => {
    const meaning = `an argument of ${name}`
    if (isReference(arg)) return vault.note(arg, meaning)
    if (secret[index] !== true) return arg
    const [, flag = '', value = arg] = /^([^=\s/]+=)(.+)$/.exec(arg) ?? []
    const before = args[index - 1] ?? ''
    const word = flag === '' ? (before.startsWith('-') ? before : 'argument') : flag
    return flag + vault.refer(`${name}_${word}`, value, meaning)
  })
}

/** Query values are secret as soon as their names or they themselves look like it; so are long parts of the path. */
function withoutSecrets(name: string, address: string, vault: Vault): string {
  const meaning = `a part of the URL of ${name}`
  if (isReference(address)) return vault.note(address, meaning)
  const [, start = address, query = ''] = /^([^?]*)\?(.*)$/.exec(address) ?? []
  const path = start.replaceAll(/(?<=\/)[^/]{24,}(?=\/|$)/g, (part, offset: number) =>
    // The host is no part of the path.
    offset < start.indexOf('//') + 3 ? part : vault.refer(`${name}_url`, part, meaning),
  )
  const pairs = query.split('&').map((pair) => {
    const [, key = '', value = ''] = /^([^=]*)=(.+)$/.exec(pair) ?? []
    const secret = value !== '' && (isSecretName(key) || isSecretValue(value))
    return secret ? `${key}=${vault.refer(`${name}_${key}`, value, meaning)}` : pair
  })
  return query === '' ? path : `${path}?${pairs.join('&')}`
}
