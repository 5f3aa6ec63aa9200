import type { ToolOutput } from '../backend/builtin/tool.ts'

/** One part of what a tool answers (2026-07-28, schema `ContentBlock`). */
export interface ContentBlock {
  readonly type: string
  readonly [member: string]: unknown
}

/** What a tool answers (2026-07-28, schema `CallToolResult`). */
export interface ToolResult {
  readonly content: readonly ContentBlock[]
  readonly structuredContent?: Readonly<Record<string, unknown>>
  /** True for a failure that the model is to see. */
  readonly isError?: boolean
  readonly _meta?: Readonly<Record<string, unknown>>
  readonly [member: string]: unknown
}

/** A failure of a tool whose message the caller may read. The message of any other error stays in the gateway's log. */
export class ToolError extends Error {
  override readonly name = 'ToolError'
}

/**
 * What a handler returned, as the answer of its tool: a `CallToolResult` as it is, an object as structured content and as
 * JSON, a text as text, and anything else as JSON.
 *
 * @throws ToolError for what is no JSON or longer than `longest` characters
 */
export function outputOf(returned: unknown, longest: number): ToolOutput {
  const text = jsonOf(returned)
  if (text.length > longest) throw new ToolError('The answer of the tool is too large')
  if (typeof returned === 'string') return { text: returned }
  // What was written is what is sent: nothing in it is a getter any more.
  const value = JSON.parse(text) as unknown
  if (isResult(value)) return { result: value }
  return isObject(value) ? { structured: value } : { text }
}

function jsonOf(value: unknown): string {
  try {
    // What cannot be written, such as a function, is undefined.
    return JSON.stringify(value ?? null) ?? 'null'
  } catch (error) {
    throw new ToolError('The answer of the tool is no JSON', { cause: error })
  }
}

/** Content makes a result: a list of objects that say their type. */
function isResult(value: unknown): value is ToolResult {
  if (!isObject(value) || !Array.isArray(value['content'])) return false
  return value['content'].every((block) => isObject(block) && typeof block['type'] === 'string')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
