/** A stage behind the server classes of both SDK generations. */
import { Server as ServerV1 } from '@modelcontextprotocol/sdk/server/index.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { Server as ServerV2 } from '@modelcontextprotocol/server'
import type { Arguments, Stage, StagedCall } from './stage.ts'

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
    async progress(step) {
      const token = meta['progressToken']
      if (typeof token !== 'string' && typeof token !== 'number') return
      await context.notify('notifications/progress', { progressToken: token, ...step })
    },
  }
}
