import type { Permitted } from '../pipeline/call.ts'
import type { Handler } from '../pipeline/handler.ts'

/** Where permitted calls end. */
export interface Handlers {
  /** One backend. */
  readonly one: Handler<Permitted>
  /** Several backends whose answers are merged. */
  readonly many: Handler<Permitted>
  /** Several backends whose changes are followed. */
  readonly listen: Handler<Permitted>
}

/** Takes a permitted call to the handler for what it is for. */
export function dispatch({ one, many, listen }: Handlers): Handler<Permitted> {
  return (call, out) => {
    const { target } = call.permit
    if (target.kind === 'one') return one(call, out)
    return target.operation.kind === 'listen' ? listen(call, out) : many(call, out)
  }
}
