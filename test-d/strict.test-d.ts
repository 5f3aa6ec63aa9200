/** Holds the compiler to the flags the code relies on: a lost flag makes an unused `@ts-expect-error` here. */

const names: readonly string[] = []
const options: { readonly timeoutMs?: number } = {}

// @ts-expect-error noUncheckedIndexedAccess: an element may be missing
export const first: string = names[0]

// @ts-expect-error exactOptionalPropertyTypes: absent and undefined are two things
export const explicit: { readonly timeoutMs?: number } = { timeoutMs: undefined }

// @ts-expect-error strictNullChecks: an optional member may be missing
export const timeoutMs: number = options.timeoutMs
