import type { Proxy } from '../proxy.ts'

/** Nothing in between: what the load generator and the backend can do at most. */
export const proxy: Proxy = {
  name: 'direct',
  order: 0,
  start: (backendUrl) =>
    Promise.resolve({ kind: 'running', url: backendUrl, pid: undefined, stop: () => Promise.resolve() }),
}
