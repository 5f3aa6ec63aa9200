/** Where things are at a service, each with the query of its URL. */
export interface Paths {
  /** @param segment the name of the tool as a segment of a path */
  tool(segment: string): string
  readonly tools: string
  readonly health: string
}

/** The paths below the URL of a service. */
export function pathsBelow({ pathname, search }: URL): Paths {
  const base = pathname.endsWith('/') ? pathname.slice(0, -1) : pathname
  return {
    tool: (segment) => `${base}/tools/${segment}${search}`,
    tools: `${base}/tools${search}`,
    health: `${base}/health${search}`,
  }
}
