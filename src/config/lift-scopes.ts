import type { ConfigPath, Finding } from './problem.ts'
import { isMapping } from './tree.ts'

/** What may stand in `auth`, where it is expected by whoever knows `OAuth2Provider(scopes=…)`. */
const LIFTED = ['scopes', 'scopeHierarchy'] as const

/** A file with the scopes in one place. */
export interface Lifted {
  readonly value: Readonly<Record<string, unknown>>
  readonly problems: readonly Finding[]
  /** Where a path of `value` stands in the file. */
  readonly originalPath: (path: ConfigPath) => ConfigPath
}

/** Takes `scopes` and `scopeHierarchy` of `auth` for those of `authorization`, which is what they are. */
export function liftScopes(root: Readonly<Record<string, unknown>>): Lifted {
  const { auth, authorization = {} } = root
  const here = LIFTED.filter((key) => isMapping(auth) && key in auth)
  if (!isMapping(auth) || !isMapping(authorization) || here.length === 0)
    return { value: root, problems: [], originalPath: (path) => path }
  const twice = here.filter((key) => key in authorization)
  const rest = Object.fromEntries(Object.entries(auth).filter(([key]) => !here.some((each) => each === key)))
  const lifted = Object.fromEntries(here.map((key) => [key, auth[key]]))
  return {
    value: { ...root, auth: rest, authorization: { ...authorization, ...lifted } },
    problems: twice.map((key) => ({
      path: ['auth', key],
      at: 'key',
      message: `stands in authorization.${key} too: a file has one of them`,
    })),
    originalPath: ([section, ...path]) => {
      if (section === undefined) return []
      const moved = section === 'authorization' && here.some((key) => key === path[0])
      return [moved ? 'auth' : section, ...path]
    },
  }
}
