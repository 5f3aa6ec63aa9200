import type { Call, Notifications, Reply } from './call.ts'

/**
 * Answers one call. Notifications of the call go to `out` as they come; the promise settles when the call has truly
 * ended. From the first rung on that holds something for a call (limits), handlers reject and never throw, so that
 * whoever holds something need not expect both.
 */
export type Handler<C extends Call = Call> = (call: C, out: Notifications) => Promise<Reply>

/** Adds one concern and leaves what is known of the call as it is. */
export type Filter<Min extends Call = Call> = <C extends Min>(next: Handler<C>) => Handler<C>

/** Establishes something about the call: routed, permitted. */
export type Stage<In extends Call, Out extends In> = (next: Handler<Out>) => Handler<In>
