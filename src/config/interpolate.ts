/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A text with its references replaced. */
export interface Interpolated {
  readonly text: string
  /** The variables that the text refers to: what it holds must not be printed. */
  readonly variables: readonly string[]
  /** What is wrong with the references; never holds a value. */
  readonly problems: readonly string[]
}

const TOKEN = /\$\$\{|\$\{([^}]*)\}|\$\{/g
const REFERENCE = /^(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/

/** Variables that editors fill in for their own files, and what to write instead. */
const CLIENT_VARIABLES: Readonly<Record<string, string>> = {
  workspaceFolder: 'write the path of the folder',
  workspaceFolderBasename: 'write the name of the folder',
  userHome: 'write ${HOME}',
  pathSeparator: 'write / or \\',
  '/': 'write / or \\',
}

/** True if the text holds a `${`, so that {@link interpolate} may change it. */
export function hasReference(text: string): boolean {
  return text.includes('${')
}

/**
 * Replaces `${NAME}`, `${NAME:-default}`, `${env:NAME}` and `${env:NAME:-default}` by environment variables; `$${`
 * stands for a literal `${`. As in a shell, the default is used for a variable that is unset or empty. What a variable
 * holds is not looked at again, so it cannot refer to another one.
 */
export function interpolate(text: string, env: Environment): Interpolated {
  const variables: string[] = []
  const problems: string[] = []
  const replaced = text.replace(TOKEN, (token: string, body: string | undefined) => {
    if (token === '$${') return '${'
    const resolved = body === undefined ? UNCLOSED : resolve(body, env)
    if (resolved.variable !== undefined) variables.push(resolved.variable)
    if (resolved.problem !== undefined) problems.push(resolved.problem)
    return resolved.value
  })
  return { text: replaced, variables, problems }
}

interface Resolved {
  readonly value: string
  readonly variable?: string
  readonly problem?: string
}

const UNCLOSED: Resolved = {
  value: '',
  problem: 'expected a } after ${; write $${ for a literal ${',
}

function resolve(body: string, env: Environment): Resolved {
  const [, name, fallback] = REFERENCE.exec(body) ?? []
  if (name === undefined) return { value: '', problem: misshapen(body) }
  if (fallback?.includes('${') === true) {
    return { value: '', problem: `the default of \${${name}:-…} cannot hold another reference` }
  }
  const value = env[name]
  if (value !== undefined && (value !== '' || fallback === undefined)) return { value, variable: name }
  if (fallback !== undefined) return { value: fallback, variable: name }
  return { value: '', variable: name, problem: unset(name) }
}

function unset(name: string): string {
  const instead = CLIENT_VARIABLES[name]
  if (instead !== undefined) return `\${${name}} is known to editors only: ${instead}`
  return `the environment variable ${name} is not set; set it, or give a default: \${${name}:-…}`
}

function misshapen(body: string): string {
  const shown = `\${${body.split(':-')[0] ?? ''}}`
  if (body.startsWith('input:')) {
    const name = body.slice('input:'.length).toUpperCase().replaceAll(/\W+/g, '_')
    return `${shown} asks a person in VS Code; set an environment variable instead and write \${${name}}`
  }
  const instead = CLIENT_VARIABLES[body]
  if (instead !== undefined) return `${shown} is known to editors only: ${instead}`
  return `${shown} is no reference: expected \${NAME} or \${NAME:-default}; write $\${ for a literal \${`
}
