import type { Permitted } from '../pipeline/call.ts'
import type { Handler } from '../pipeline/handler.ts'

/** Takes a permitted call to the handler for one backend or to the one that merges several. */
export function dispatch(handlers: {
  readonly one: Handler<Permitted>
  readonly many: Handler<Permitted>
}): Handler<Permitted> {
  return (call, out) => handlers[call.permit.target.kind](call, out)
}
