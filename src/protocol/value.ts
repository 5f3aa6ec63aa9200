import { scanJson, valueOf } from './json.ts'

/**
 * The value of a whole JSON text that a peer wrote: as `JSON.parse`, without the fault of it that {@link valueOf}
 * describes.
 *
 * @throws JsonSyntaxError
 */
export function parseValue(source: string): unknown {
  return valueOf(source, scanJson(source, { maxDepth: Infinity, detail: 1 }))
}
