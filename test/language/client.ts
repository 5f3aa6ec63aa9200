/** The official clients of both SDK generations behind one face. */
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { PATIENCE } from './journal.ts'
import type { OAuthUser } from './oauth-user.ts'
import type { Arguments } from './stage.ts'

/**
 * Which official client: the second SDK pinned to 2026-07-28, finding out by itself, or in its 2025 form; or the
 * first SDK.
 */
export type Generation = 'modern' | 'auto' | 'legacy' | 'v1'

/** All of them. */
export const GENERATIONS: readonly Generation[] = ['modern', 'auto', 'legacy', 'v1']

/** What a client gets for a tool call. */
export interface ToolAnswer {
  readonly text: string
  readonly isError: boolean
}

/** A listed tool, as far as these tests look at it. */
export interface ListedTool {
  readonly name: string
  readonly title?: string | undefined
  readonly description?: string | undefined
}

/** Options of a tool call. */
export interface CallOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (step: { readonly progress: number }) => void
  /** Members of `_meta` beside those that the SDK sets. */
  readonly meta?: Arguments
}

/** A connected client. */
export interface TestClient extends AsyncDisposable {
  /** The era that was negotiated. */
  readonly era: 'modern' | 'legacy'
  readonly server: { readonly name: string } | undefined
  /** Every tool, all pages. */
  tools(): Promise<readonly ListedTool[]>
  /** @throws the SDK's error where the answer is a JSON-RPC error */
  call(name: string, args?: Arguments, options?: CallOptions): Promise<ToolAnswer>
  /** Goes on with what the browser of the user came back with, after a call that needed more than was granted before. */
  signInAgain(): Promise<void>
  close(): Promise<void>
}

/** Where a client connects: a URL, or a process to start. */
export type Address =
  | { readonly url: string }
  | { readonly command: string; readonly args: readonly string[]; readonly env: Record<string, string> }

/** What somebody answers to a form. */
export type Elicited =
  | { readonly action: 'accept'; readonly content: Readonly<Record<string, string>> }
  | { readonly action: 'decline' | 'cancel' }

/** What a client can do beside calling. */
export interface ClientAbilities {
  /** Answers forms; a client without it does not declare that it can. */
  readonly elicit?: ((message: string) => Promise<Elicited>) | undefined
  /** Signs in where the gateway asks for it. */
  readonly user?: OAuthUser | undefined
  /** Headers of every request over HTTP. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

const INFO = { name: 'test-client', version: '1.0.0' }
const MODE = { modern: { pin: '2026-07-28' }, auto: 'auto', legacy: 'legacy' } as const

/** Connects a client of that generation. */
export async function connectClient(
  generation: Generation,
  address: Address,
  abilities: ClientAbilities = {},
): Promise<TestClient> {
  return generation === 'v1' ? connectV1(address, abilities) : connectV2(MODE[generation], address, abilities)
}

async function connectV2(
  mode: (typeof MODE)[keyof typeof MODE],
  address: Address,
  { elicit, user, headers }: ClientAbilities,
): Promise<TestClient> {
  const capabilities = elicit === undefined ? {} : { elicitation: {} }
  const client = new ClientV2(INFO, { versionNegotiation: { mode }, capabilities })
  if (elicit !== undefined)
    client.setRequestHandler('elicitation/create', async ({ params }) => ({
      ...(await elicit(params.message)),
    }))
  const http = { ...(user && { authProvider: user.sdk }), ...(headers && { requestInit: { headers } }) }
  const transport = (): HttpV2 | StdioV2 =>
    'url' in address
      ? new HttpV2(new URL(address.url), http)
      : new StdioV2({ ...address, args: [...address.args], stderr: 'ignore' })
  const finish = async (one: HttpV2 | StdioV2): Promise<void> => {
    if (one instanceof HttpV2) await one.finishAuth(user?.cameBack().searchParams ?? new URLSearchParams())
  }
  const connected = await signingIn(transport, async (one) => client.connect(one), finish)
  const close = async (): Promise<void> => client.close()
  return {
    era: client.getProtocolEra() === 'modern' ? 'modern' : 'legacy',
    server: client.getServerVersion(),
    tools: async () => (await client.listTools()).tools,
    async call(name, args = {}, { signal, onProgress, meta } = {}) {
      const options = {
        ...(signal && { signal }),
        ...(onProgress && { onprogress: onProgress }),
        timeout: PATIENCE,
      }
      return toAnswer(
        await client.callTool({ name, arguments: { ...args }, ...(meta && { _meta: { ...meta } }) }, options),
      )
    },
    signInAgain: async () => finish(connected),
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function connectV1(address: Address, { elicit, user, headers }: ClientAbilities): Promise<TestClient> {
  const client = new ClientV1(INFO, { capabilities: elicit === undefined ? {} : { elicitation: {} } })
  if (elicit !== undefined)
    client.setRequestHandler(ElicitRequestSchema, async ({ params }) => ({
      ...(await elicit(params.message)),
    }))
  const http = { ...(user && { authProvider: user.sdk }), ...(headers && { requestInit: { headers } }) }
  const create = (): HttpV1 | StdioV1 =>
    'url' in address
      ? new HttpV1(new URL(address.url), http)
      : new StdioV1({ ...address, args: [...address.args], stderr: 'ignore' })
  const finish = async (one: HttpV1 | StdioV1): Promise<void> => {
    if (one instanceof HttpV1) await one.finishAuth(user?.cameBack().searchParams.get('code') ?? '')
  }
  const transport = await signingIn(create, async (one) => client.connect(one), finish)
  const close = async (): Promise<void> => {
    // The first SDK leaves ending the session to the program. The gateway may be gone already.
    if (transport instanceof HttpV1) await transport.terminateSession().catch(() => undefined)
    await client.close()
  }
  return {
    era: 'legacy',
    server: client.getServerVersion(),
    async tools() {
      const tools: ListedTool[] = []
      let cursor: string | undefined
      do {
        const page = await client.listTools(cursor === undefined ? {} : { cursor })
        tools.push(...page.tools)
        cursor = page.nextCursor
      } while (cursor !== undefined)
      return tools
    },
    async call(name, args = {}, { signal, onProgress, meta } = {}) {
      const options = {
        ...(signal && { signal }),
        ...(onProgress && { onprogress: onProgress }),
        timeout: PATIENCE,
      }
      return toAnswer(
        await client.callTool(
          { name, arguments: { ...args }, ...(meta && { _meta: { ...meta } }) },
          undefined,
          options,
        ),
      )
    },
    signInAgain: async () => finish(transport),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Connects; once more on a fresh transport where the first try only sent the user to sign in. */
async function signingIn<T>(
  create: () => T,
  connect: (transport: T) => Promise<void>,
  finish: (transport: T) => Promise<unknown>,
): Promise<T> {
  const first = create()
  try {
    await connect(first)
    return first
  } catch (error) {
    if (!(error instanceof Error) || !/unauthorized/i.test(`${error.name} ${error.message}`)) throw error
    await finish(first)
  }
  const second = create()
  await connect(second)
  return second
}

function toAnswer(result: { readonly [member: string]: unknown }): ToolAnswer {
  const content = result['content'] as readonly { readonly type: string; readonly text?: string }[]
  return {
    text: content.map((part) => part.text ?? `<${part.type}>`).join('\n'),
    isError: result['isError'] === true,
  }
}
