import { buildResult } from './build.ts'
import type { ResultMessage } from './message.ts'

/** What a tool answers that the gateway speaks for (2026-07-28, schema `CallToolResult`). */
export interface ToolResult {
  /** Raw JSON of one content block. */
  readonly content: string
  /** Raw JSON of any value. */
  readonly structured?: string | undefined
  /** True for a failure that the model is to see. */
  readonly isError?: boolean
  /** Members of `_meta`, as raw JSON. */
  readonly meta?: Readonly<Record<string, string>>
}

/** The result as a message, to the byte what was given. Its id is a placeholder that the listener replaces. */
export function toolResult({ content, structured, isError, meta }: ToolResult): ResultMessage {
  return buildResult({
    resultType: '"complete"',
    content: `[${content}]`,
    ...(structured === undefined ? {} : { structuredContent: structured }),
    ...(isError === true ? { isError: 'true' } : {}),
    ...(meta === undefined ? {} : { _meta: meta }),
  })
}

/** Raw JSON of a content block with a text. */
export function textBlock(text: string): string {
  return `{"type":"text","text":${JSON.stringify(text)}}`
}
