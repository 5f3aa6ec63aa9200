import type { Permitted, Routed } from '../pipeline/call.ts'
import type { Stage } from '../pipeline/handler.ts'
import { mintPermit } from '../pipeline/permit.ts'

/** Lets every routed call pass: there are no rules yet. The only place that mints permits. */
export function authorize(): Stage<Routed, Permitted> {
  return (next) => (call, out) => next({ ...call, permit: mintPermit(call.target) }, out)
}
