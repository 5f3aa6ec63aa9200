/** A server with the experimental tasks of 2025-11-25, on the first SDK, whose own store and queue it uses. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import type {
  CreateTaskRequestHandlerExtra,
  TaskRequestHandlerExtra,
} from '@modelcontextprotocol/sdk/experimental/tasks/interfaces.js'
import {
  InMemoryTaskMessageQueue,
  InMemoryTaskStore,
} from '@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js'
import { type CallToolResult, ElicitResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { type Journal, createJournal } from './journal.ts'
import type { Configured, Scope } from './scope.ts'
import { FORM } from './stage.ts'

/** What the server was asked for. */
export interface TaskSighting {
  readonly session: string | undefined
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

/** Tools: `work` (a task, done when released), `ask` (asks for a name), `break` (fails), `plain` (never a task). */
export interface TaskServer extends Configured {
  readonly journal: Journal<TaskSighting>
  /** Tasks that were made, by the server's ids. */
  readonly made: Journal<string>
  /** Says of every task that was made how it is. */
  nudge(): Promise<void>
  /** Lets `work` end. */
  release(): void
  forgetSessions(): Promise<void>
}

const textResult = (text: string, isError = false): CallToolResult => ({
  content: [{ type: 'text', text }],
  ...(isError ? { isError } : {}),
})

/** Starts one. Every task is polled each 20 ms. */
export async function taskServer(scope: Scope): Promise<TaskServer> {
  const journal = createJournal<TaskSighting>('the server of tasks')
  const made = createJournal<string>('the tasks of the server')
  const gate = Promise.withResolvers<void>()
  const transports = new Map<string, StreamableHTTPServerTransport>()
  const stores: InMemoryTaskStore[] = []
  const nudges = new Set<() => Promise<void>>()
  const open = async (): Promise<StreamableHTTPServerTransport> => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void transports.set(id, transport),
    })
    const store = new InMemoryTaskStore()
    stores.push(store)
    await serverOf({ store, made, nudges, gate: gate.promise }).connect(transport)
    return transport
  }
  const server = createServer((request, response) => {
    const answer = async (): Promise<void> => {
      const text = await readText(request)
      const body = text === '' ? undefined : (JSON.parse(text) as Omit<TaskSighting, 'session'>)
      const id = request.headers['mcp-session-id']
      const session = typeof id === 'string' ? id : undefined
      if (body?.method !== undefined) journal.record({ session, method: body.method, params: body.params })
      const known = session === undefined ? undefined : transports.get(session)
      if (session !== undefined && known === undefined) return void response.writeHead(404).end()
      if (known === undefined && body?.method !== 'initialize') return void response.writeHead(400).end()
      await (known ?? (await open())).handleRequest(request, response, body)
    }
    answer().catch(() => response.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const forgetSessions = async (): Promise<void> => {
    const all = [...transports.values()]
    transports.clear()
    await Promise.all(all.map(async (transport) => transport.close()))
  }
  scope.after(async () => {
    gate.resolve()
    await forgetSessions()
    // Its timers would keep the process alive.
    stores.forEach((store) => store.cleanup())
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const { port } = server.address() as AddressInfo
  return {
    settings: { url: `http://127.0.0.1:${port}/mcp` },
    journal,
    made,
    async nudge() {
      await Promise.all([...nudges].map(async (nudge) => nudge()))
    },
    release: () => gate.resolve(),
    forgetSessions,
  }
}

type Work = (ask: (message: string) => Promise<unknown>) => Promise<CallToolResult>

interface Props {
  readonly store: InMemoryTaskStore
  readonly made: Journal<string>
  readonly nudges: Set<() => Promise<void>>
  readonly gate: Promise<void>
}

function serverOf({ store: taskStore, made, nudges, gate }: Props): McpServer {
  const server = new McpServer(
    { name: 'tasks', version: '1' },
    {
      capabilities: { tools: {}, tasks: { cancel: {}, list: {}, requests: { tools: { call: {} } } } },
      taskStore,
      taskMessageQueue: new InMemoryTaskMessageQueue(),
    },
  )
  const register = (name: string, work: Work): void => {
    const config = {
      inputSchema: { n: z.number().optional() },
      execution: { taskSupport: 'required' as const },
    }
    server.experimental.tasks.registerToolTask(name, config, {
      async createTask(
        _args: object,
        { taskStore: store, taskRequestedTtl, sendRequest }: CreateTaskRequestHandlerExtra,
      ) {
        const task = await store.createTask({ ttl: taskRequestedTtl ?? null, pollInterval: 20 })
        const { taskId } = task
        made.record(taskId)
        nudges.add(async () => store.updateTaskStatus(taskId, 'working', 'nudged').catch(() => undefined))
        const ask = async (message: string): Promise<unknown> => {
          const params = { mode: 'form' as const, message, requestedSchema: FORM }
          const options: RequestOptions = { relatedTask: { taskId } }
          const request = { method: 'elicitation/create' as const, params }
          const answer = await sendRequest(request, ElicitResultSchema, options)
          await store.updateTaskStatus(taskId, 'working')
          return answer
        }
        const carryOut = async (): Promise<void> => {
          const result = await work(ask).catch((error: unknown) => textResult(String(error), true))
          const status = result.isError === true ? 'failed' : 'completed'
          // A task that was cancelled stays so.
          await store.storeTaskResult(taskId, status, result).catch(() => undefined)
        }
        void carryOut()
        return { task }
      },
      getTask: async (_args: object, { taskId, taskStore: store }: TaskRequestHandlerExtra) =>
        store.getTask(taskId),
      getTaskResult: async (_args: object, { taskId, taskStore: store }: TaskRequestHandlerExtra) =>
        (await store.getTaskResult(taskId)) as CallToolResult,
    })
  }
  register('work', async () => {
    await gate
    return textResult('worked')
  })
  register('ask', async (ask) => textResult(JSON.stringify(await ask('who?'))))
  register('break', async () => textResult('broken', true))
  server.registerTool('plain', {}, () => textResult('plain'))
  return server
}
