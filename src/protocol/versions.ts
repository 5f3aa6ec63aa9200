/** `modern`: metadata on every request (2026-07-28 on). `legacy`: an `initialize` handshake (until 2025-11-25). */
export type Era = 'modern' | 'legacy'

/** The modern revision that the gateway speaks inside and on both sides. */
export const MODERN_VERSION = '2026-07-28'

/** Modern revisions served, newest first. */
export const MODERN_VERSIONS: readonly string[] = [MODERN_VERSION]

/** Legacy revisions spoken over Streamable HTTP and stdio, newest first. */
export const LEGACY_VERSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']

/** The newest legacy revision: what the gateway offers to a legacy backend. */
export const LATEST_LEGACY_VERSION = '2025-11-25'

/** What a legacy HTTP request without `MCP-Protocol-Version` speaks (2025-06-18, basic/transports). */
export const ASSUMED_LEGACY_VERSION = '2025-03-26'

/** The revision to answer an `initialize` with: the one asked for if it is spoken, otherwise the newest legacy one. */
export function negotiateLegacyVersion(requested: string | undefined): string {
  return requested !== undefined && LEGACY_VERSIONS.includes(requested) ? requested : LATEST_LEGACY_VERSION
}

/** True for a well-formed revision of the modern era, known or not. */
export function isModernVersion(version: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(version) && version >= MODERN_VERSION
}
