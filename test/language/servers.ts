/** A stage behind the server classes of both SDK generations. */
import { Server as ServerV1 } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  ElicitResultSchema,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { Server as ServerV2, type ServerContext, inputRequired } from '@modelcontextprotocol/server'
import { type Arguments, type Asked, FORM, type Stage, type StagedAnswer, type StagedCall } from './stage.ts'

const CAPABILITIES = { capabilities: { tools: { listChanged: true } } }

/** Which SDK a scripted backend is built on, and which era it speaks: the second SDK speaks both. */
export type ServerKind = 'modern' | 'legacy' | 'v1'

/** A server of the second SDK generation, for one request (modern), one session or one pipe. */
export function serverV2(stage: Stage): ServerV2 {
  const server = new ServerV2({ name: stage.script().label, version: '2.0.0' }, CAPABILITIES)
  server.setRequestHandler('tools/list', async ({ params }) => stage.list(params?.cursor))
  server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) =>
    stage.call(
      staged(params, {
        meta: mcpReq._meta,
        signal: mcpReq.signal,
        notify: async (method, details) => mcpReq.notify({ method, params: details }),
        ask: async (message, patience) => askV2(mcpReq, message, patience),
      }),
    ),
  )
  return server
}

/** A server of the first SDK generation, for one session or one pipe. */
export function serverV1(stage: Stage): ServerV1 {
  const server = new ServerV1({ name: stage.script().label, version: '1.0.0' }, CAPABILITIES)
  server.setRequestHandler(ListToolsRequestSchema, async ({ params }) => stage.list(params?.cursor))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) =>
    stage.call(
      staged(params, {
        meta: extra._meta,
        signal: extra.signal,
        notify: async (_method, details) =>
          extra.sendNotification({ method: 'notifications/progress', params: details }),
        async ask(message, timeout) {
          const params = { mode: 'form' as const, message, requestedSchema: FORM }
          const request = { method: 'elicitation/create' as const, params }
          const { action, content } = await extra.sendRequest(request, ElicitResultSchema, {
            signal: extra.signal,
            timeout,
          })
          return { kind: 'input', action, content: content ?? {} }
        },
      }),
    ),
  )
  return server
}

interface ProgressDetails {
  readonly [member: string]: unknown
  readonly progressToken: string | number
  readonly progress: number
  readonly total: number
}

interface Context {
  readonly meta: Arguments | undefined
  readonly signal: AbortSignal
  readonly notify: (method: 'notifications/progress', details: ProgressDetails) => Promise<void>
  readonly ask: StagedCall['ask']
}

/** In the legacy era the question is a request of the server; in the modern one it is the result. */
async function askV2(mcpReq: ServerContext['mcpReq'], message: string, timeout: number): Promise<Asked> {
  if (mcpReq.envelope === undefined) {
    const params = { mode: 'form' as const, message, requestedSchema: FORM }
    const { action, content } = await mcpReq.elicitInput(params, { signal: mcpReq.signal, timeout })
    return { kind: 'input', action, content: content ?? {} }
  }
  const response = mcpReq.inputResponses?.['who'] as { action: string; content?: Arguments } | undefined
  if (response !== undefined)
    return { kind: 'input', action: response.action, content: response.content ?? {} }
  const answer = inputRequired({
    inputRequests: { who: inputRequired.elicit({ message, requestedSchema: FORM }) },
    requestState: `state of ${message}`,
  })
  return { kind: 'later', answer: answer as unknown as StagedAnswer }
}

function staged(
  params: { readonly name: string; readonly arguments?: Arguments | undefined },
  context: Context,
): StagedCall {
  const meta = context.meta ?? {}
  return {
    name: params.name,
    args: params.arguments ?? {},
    meta,
    signal: context.signal,
    ask: context.ask,
    async progress(step) {
      const token = meta['progressToken']
      if (typeof token !== 'string' && typeof token !== 'number') return
      await context.notify('notifications/progress', { progressToken: token, ...step })
    },
  }
}
