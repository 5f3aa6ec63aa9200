/** A parameter of a tool that HTTP mirrors in a header (`x-mcp-header`; 2026-07-28, basic/transports/streamable-http). */
export interface ParamHeader {
  /** The whole header name in lower case, such as `mcp-param-region`. */
  readonly header: string
  /** The chain of `properties` keys from the root of the arguments to the value. */
  readonly path: readonly string[]
  readonly type: 'string' | 'integer' | 'boolean'
}
