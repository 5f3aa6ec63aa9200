import type { ListKind } from '../protocol/methods.ts'
import type { ToolHints } from '../protocol/tool-hints.ts'

/** Something that is listed, as its backend knows it; for resources that nobody lists, as if it were. */
export interface Listed {
  readonly kind: ListKind
  readonly backend: string
  /** The name, or the URI (template) of resources. */
  readonly key: string
  /** What a tool says of itself. */
  readonly hints?: ToolHints | undefined
}

/**
 * What one principal may do on one route. The same object for as long as the answers are the same, so that what is made
 * from them can be kept by it.
 */
export interface Rights {
  /** Whether some call of it could be allowed. */
  sees(listed: Listed): boolean
  /** Whether some call of anything of that kind could be, or of anything at all, at that backend. */
  reaches(backend: string, kind?: ListKind): boolean
}
