/** A pipeline without authorisation, or in the wrong order, does not compile; a permit cannot be made by hand. */
import { authorize } from '../src/filters/authorize.ts'
import { forward } from '../src/filters/forward.ts'
import { rescue } from '../src/filters/rescue.ts'
import { timeout } from '../src/filters/timeout.ts'
import type { Call, Notifications, Permitted, Routed } from '../src/pipeline/call.ts'
import type { Clock } from '../src/pipeline/clock.ts'
import type { Filter, Handler, Stage } from '../src/pipeline/handler.ts'
import type { AuthorizePorts } from '../src/filters/authorize.ts'
import { Permit } from '../src/pipeline/permit.ts'
import type { OneTarget } from '../src/pipeline/target.ts'
import type { Catalog } from '../src/routing/catalog.ts'
import { route } from '../src/routing/route.ts'
import type { TaskIds } from '../src/routing/tasks.ts'

declare const catalog: Catalog
declare const taskIds: TaskIds
declare const clock: Clock
declare const call: Call
declare const routed: Routed
declare const permitted: Permitted
declare const out: Notifications
declare const target: OneTarget
declare const tap: Filter

const innermost: Handler<Permitted> = forward(new Map(), catalog)
const routing: Stage<Call, Routed> = route({ catalog, backends: new Map(), taskIds })
const authorizing: Stage<Routed, Permitted> = authorize()
declare const rules: AuthorizePorts
const judging: Stage<Routed, Permitted> = authorize(rules)
const bounded = timeout(() => 1, clock)

// The one order that there is.
export const pipeline: Handler = routing(authorizing(bounded(innermost)))
export const answerer: unknown = rescue(pipeline, () => undefined)
// A filter that needs to know nothing may stand anywhere, and leaves what is known as it is.
export const anywhere: Handler = tap(routing(tap(authorizing(tap(innermost)))))

export const judged: Handler = routing(judging(bounded(innermost)))

// @ts-expect-error nothing is forwarded without authorisation
export const withoutAuthorization: Handler = routing(innermost)

// @ts-expect-error nothing is authorised before it is known what for
export const withoutRoute: Handler = authorizing(innermost)

// @ts-expect-error with rules neither
export const judgedWithoutRoute: Handler = judging(innermost)

// @ts-expect-error nor routed after it was authorised
export const wrongOrder: Handler = authorizing(routing(innermost))

// @ts-expect-error a filter for permitted calls does not stand before authorisation
export const tooEarly: Handler = bounded(routing(authorizing(innermost)))

// @ts-expect-error what clients reach is a handler for any call
export const exposed: unknown = rescue(innermost, () => undefined)

// @ts-expect-error forward takes no call without a permit
void innermost(call, out)
// @ts-expect-error nor one that is only routed
void innermost(routed, out)
void innermost(permitted, out)

// @ts-expect-error the key to build one stays in its file
export const built: Permit = new Permit(Symbol('mint'), target)

// @ts-expect-error the shape of a permit is not enough: its private field makes the class nominal
export const forged: Permit = { target }

// @ts-expect-error a copy has the target, but not the private field
export const copied: Permit = { ...permitted.permit }

// @ts-expect-error nor has a copy onto another target
export const moved: Permit = { ...permitted.permit, target }

// @ts-expect-error a permit is for the target it was minted for
permitted.permit.target = target

// @ts-expect-error nor do its rights change
permitted.permit.rights = undefined

// @ts-expect-error and stays with its call
permitted.permit = permitted.permit

// @ts-expect-error a permit cannot be made from what looks like one
export const assigned: Permit = Object.assign({}, { target })
