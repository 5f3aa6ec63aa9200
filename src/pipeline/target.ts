import type { ParamHeader } from '../protocol/param-headers.ts'
import type { ListMethod } from '../protocol/methods.ts'
import type { ToolHints } from '../protocol/tool-hints.ts'

/** One backend, under the names that it knows itself. */
export interface OneTarget {
  readonly kind: 'one'
  readonly backend: string
  /** The tool, prompt or URI as the backend calls it; undefined for methods without one. */
  readonly name: string | undefined
  /** The parameters of the tool that are mirrored in headers. */
  readonly paramHeaders: readonly ParamHeader[]
  /** Why calls of it are refused although it is there; undefined for nearly all. */
  readonly held?: string | undefined
  /** What the tool says of itself. */
  readonly hints?: ToolHints | undefined
  /** The tool whose task a call is about. */
  readonly taskOf?: string | undefined
  /** Whether the tool has to or may be called as an experimental task (2025-11-25, basic/utilities/tasks); undefined: it must not. */
  readonly taskSupport?: 'required' | 'optional' | undefined
}

/** Looking for a resource that nobody lists: asked one after the other. */
export interface SearchOperation {
  readonly kind: 'search'
  /** As the client wrote it. */
  readonly uri: string
  readonly candidates: readonly OneTarget[]
}

/** Several backends whose answers are merged. */
export interface ManyTarget {
  readonly kind: 'many'
  readonly operation:
    | { readonly kind: 'discover' }
    | { readonly kind: 'list'; readonly method: ListMethod }
    | SearchOperation
    | { readonly kind: 'listen' }
  /** The backends concerned, in the order of the configuration. */
  readonly backends: readonly string[]
}

/** What a call is for. */
export type Target = OneTarget | ManyTarget
