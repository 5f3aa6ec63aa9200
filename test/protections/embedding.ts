import type { Protection } from './protection.ts'

const CALLS = 'test/embedding/calls.test.ts'
const TOOLS = 'test/embedding/tools.test.ts'
const MOUNTED = 'test/embedding/mounted.test.ts'

/** What a gateway in a program protects against. */
export const embedding: readonly Protection[] = [
  {
    against: 'tools that call on with other rights than their caller',
    file: 'src/embed/callers.ts',
    find: '  return {\n    principal,\n    // What comes back',
    replace:
      "  return {\n    principal: { ...principal, scopes: new Set(['all']) } as never,\n    // What comes back",
    test: TOOLS,
    fails: 'does so as its caller',
  },
  {
    against: 'tools that call themselves for ever',
    file: 'src/embed/callers.ts',
    find: 'if (within >= MAX_WITHIN)',
    replace: 'if (within >= 2 * MAX_WITHIN)',
    test: TOOLS,
    fails: 'does not call itself for ever',
  },
  {
    against: 'arguments that no schema allows',
    file: 'src/embed/tools.ts',
    find: 'const checked = read(args)',
    replace: 'const checked = (void read, args as Readonly<Record<string, unknown>>)',
    test: TOOLS,
    fails: 'are checked before the handler runs',
  },
  {
    against: 'refusals that callers make long or unreadable',
    file: 'src/embed/arguments.ts',
    find: 'return escapeHidden((place',
    replace: 'return String((place',
    test: TOOLS,
    fails: 'are no way to make a refusal long',
  },
  {
    against: 'messages of errors that callers must not read',
    file: 'src/embed/tools.ts',
    find: 'error instanceof ToolError || error instanceof BackendError',
    replace: 'error instanceof Error',
    test: TOOLS,
    fails: 'an error is told to nobody but the log',
  },
  {
    against: 'answers without end',
    file: 'src/embed/result.ts',
    find: 'text.length > longest',
    replace: 'text.length > Infinity',
    test: TOOLS,
    fails: 'an error is told to nobody but the log',
  },
  {
    against: 'calls of the program without end',
    file: 'src/embed/call.ts',
    find: 'text.length > maxBody || Buffer.byteLength(text) > maxBody',
    replace: 'text.length > Infinity',
    test: CALLS,
    fails: 'is bounded, and made of nothing but JSON',
  },
  {
    against: 'callers of a program that pass for one',
    file: 'src/filters/limits/keys.ts',
    find: 'if (label !== undefined) return `label ${label}`',
    replace: 'void label',
    test: CALLS,
    fails: 'is limited by client',
  },
  {
    against: 'calls after the end',
    file: 'src/listener/http/front.ts',
    find: 'if (this.#closed !== undefined) throw this.#closed',
    replace: 'void this.#closed',
    test: MOUNTED,
    fails: 'ends its sessions and streams when the gateway is closed',
  },
  {
    against: 'rebinding of names over HTTP/2',
    file: 'src/listener/http/mount.ts',
    find: 'request.headers.host ??= authority',
    replace: 'void authority',
    test: MOUNTED,
    fails: 'checks the host of a request over HTTP/2 too',
  },
  {
    against: 'heads without end, where no parser of Node bounds them',
    file: 'src/listener/http/fetch.ts',
    find: 'sizeOf(exchange) > maxHeaders',
    replace: 'sizeOf(exchange) > Infinity',
    test: MOUNTED,
    fails: 'refuses a head that is too large',
  },
  {
    against: 'listening to everybody without authentication',
    file: 'src/embed/settings.ts',
    find: 'gateway: { ...input.gateway, listen }',
    replace: 'gateway: (void listen, input.gateway ?? {})',
    test: 'test/embedding/backends.test.ts',
    fails: 'listening where others can connect needs authentication',
  },
  {
    against: 'subscriptions with rights that are no more',
    file: 'src/routing/subscriptions.ts',
    find: 'this.#rights = next.rightsOf?.(principal, route)',
    replace: 'void [principal, route]',
    test: 'src/routing/subscriptions.test.ts',
    fails: 'goes on with the rights that hold now',
  },
  {
    against: 'places that a change of the configuration frees',
    file: 'src/call-path.ts',
    find: 'accounts.bulkhead?.(inTurn) ?? inTurn',
    replace:
      'config.gateway.bulkhead === undefined ? inTurn : principalBulkhead(config.gateway.bulkhead, clock)(inTurn)',
    test: 'test/embedding/swap.test.ts',
    fails: 'places of a principal are the same',
  },
]
