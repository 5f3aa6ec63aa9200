import type { HostProcess } from './ports.ts'

/** What servers need to find programs and folders; like the MCP SDK's default, with language and temporary folder. */
const POSIX_NAMES = ['HOME', 'LANG', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'TMPDIR', 'USER'] as const

const WINDOWS_NAMES = [
  'APPDATA',
  'COMSPEC',
  'HOMEDRIVE',
  'HOMEPATH',
  'LOCALAPPDATA',
  'PATH',
  'PATHEXT',
  'PROCESSOR_ARCHITECTURE',
  'PROGRAMFILES',
  'SYSTEMDRIVE',
  'SYSTEMROOT',
  'TEMP',
  'TMP',
  'USERNAME',
  'USERPROFILE',
] as const

/**
 * The environment of a child: a few harmless names of the gateway's own, and what is configured. Everything else,
 * above all the gateway's own secrets, stays out. Values that are shell functions are left out too.
 */
export function childEnvironment(
  host: Pick<HostProcess, 'env' | 'platform'>,
  configured: Readonly<Record<string, string>>,
): Record<string, string> {
  const windows = host.platform === 'win32'
  const names: ReadonlySet<string> = new Set(windows ? WINDOWS_NAMES : POSIX_NAMES)
  const environment: Record<string, string> = {}
  for (const [name, value] of Object.entries(host.env)) {
    // Windows does not care about the case of names.
    if (value === undefined || value.startsWith('()')) continue
    if (names.has(windows ? name.toUpperCase() : name)) environment[name] = value
  }
  return { ...environment, ...configured }
}
