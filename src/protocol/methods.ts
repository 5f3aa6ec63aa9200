/** A method that answers with a list. */
export type ListMethod = 'tools/list' | 'prompts/list' | 'resources/list' | 'resources/templates/list'

/** What a list holds: the member of the result with the entries. */
export type ListKind = 'tools' | 'prompts' | 'resources' | 'resourceTemplates'

/** The list methods, with what each lists. */
export const LIST_METHODS: Readonly<Record<ListMethod, ListKind>> = {
  'tools/list': 'tools',
  'prompts/list': 'prompts',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
}

/** The method that lists each kind. */
export const METHOD_OF_KIND: Readonly<Record<ListKind, ListMethod>> = {
  tools: 'tools/list',
  prompts: 'prompts/list',
  resources: 'resources/list',
  resourceTemplates: 'resources/templates/list',
}

/** The method that uses what each kind lists. */
export const METHOD_OF_CALL: Readonly<Record<ListKind, string>> = {
  tools: 'tools/call',
  prompts: 'prompts/get',
  resources: 'resources/read',
  resourceTemplates: 'resources/read',
}

/** True for a method that answers with a list. */
export function isListMethod(method: string): method is ListMethod {
  return Object.hasOwn(LIST_METHODS, method)
}

/** The parameter that names what a call is for; HTTP mirrors it in `Mcp-Name` (2026-07-28, basic/transports/streamable-http). */
const NAME_PARAM: ReadonlyMap<string, 'name' | 'uri' | 'taskId'> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
])

/** The name parameter of that method, if it has one. */
export function nameParamOf(method: string): 'name' | 'uri' | 'taskId' | undefined {
  return NAME_PARAM.get(method)
}

/** Results of these methods carry `ttlMs` and `cacheScope` when complete (2026-07-28, server/utilities/caching). */
export const CACHEABLE_METHODS: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
])

const NAMES: ReadonlyMap<string, string> = new Map(
  [...NAME_PARAM.keys(), ...CACHEABLE_METHODS, 'completion/complete', 'initialize', 'ping'].map((method) => [
    method,
    method,
  ]),
)

/** The name of a method as the one string that tables know it by: comparing it takes one look at where it is. */
export function methodName(method: string): string {
  return NAMES.get(method) ?? method
}

const TASK_METHODS: ReadonlySet<string> = new Set(['tasks/get', 'tasks/update', 'tasks/cancel'])

/** True for the methods of the tasks extension. `tasks/list` and `tasks/result` of 2025-11-25 are not among them: they end at the adapters. */
export function isTaskMethod(method: string): boolean {
  return TASK_METHODS.has(method)
}
