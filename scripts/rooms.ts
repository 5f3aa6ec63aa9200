/**
 * The rooms of `src/` and what they may import, as one table that the linter enforces (oxlint.config.ts) and
 * CONTRIBUTING.md draws. A room is a folder, or a file that stands directly in `src/`.
 */

/** The rooms from the top down. Imports go only downwards; rooms on one line do not know each other. */
const levels: readonly (readonly string[])[] = [
  ['main'],
  ['cli'],
  ['index'],
  ['embed'],
  ['gateway'],
  ['parts'],
  ['call-path'],
  ['listener', 'admin', 'telemetry'],
  ['filters'],
  ['auth', 'routing'],
  ['host'],
  ['backend'],
  ['store', 'seal', 'signing'],
  ['config'],
  ['pipeline'],
  ['protocol'],
  ['errors'],
]

/** The rooms that are a single file, `src/<room>.ts`. */
const files: ReadonlySet<string> = new Set([
  'main',
  'index',
  'host',
  'gateway',
  'parts',
  'call-path',
  'errors',
])

/** What an import must look like to be refused, and the sentence that then says why. */
export type Border = { readonly regex: string; readonly message: string; readonly importNames?: string[] }

/** One set of files and what they must not import. Borders of a later entry replace those of an earlier one. */
export type Borders = { readonly files: string[]; readonly patterns: Border[] }

/** Functions that make a permit, and the only file that may import each: whoever can mint can pass any check. */
const minters = [
  {
    name: 'mintPermit',
    room: 'filters',
    file: 'src/filters/authorize.ts',
    why: 'a permit is the proof that authorization allowed the call, so only src/filters/authorize.ts makes one',
  },
  {
    name: 'mintSystemPermit',
    room: 'gateway',
    file: 'src/gateway.ts',
    why: "a system permit skips authorization for the gateway's own work, so only src/gateway.ts makes one",
  },
] as const

const direction = levels.map((rooms) => rooms.join(', ')).join(' → ')

/** Why `room` must not import `other`, or undefined if it may. */
function refusal(room: string, other: string): string | undefined {
  const own = levels.findIndex((level) => level.includes(room))
  const its = levels.findIndex((level) => level.includes(other))
  if (room === other) return undefined
  if (room === 'listener' && other === 'backend') {
    return (
      'listener and backend never import each other: each translates one side of the gateway into the calls and ' +
      'replies of pipeline/, which is where they meet.'
    )
  }
  if (own === its) {
    return `${room} and ${other} are neighbours that do not know each other: what both need belongs to a room below, and gateway.ts connects them.`
  }
  if (its > own) return undefined
  return `${room} must not import ${other}: imports go only downwards (${direction}), so that a room is understood and tested without those above it.`
}

/** A border around each room that `room` must not import, for files where `prefix` leads back to `src/`. */
function roomBorders(room: string, prefix: string): Border[] {
  return levels.flat().flatMap((other) => {
    const message = refusal(room, other)
    return message === undefined
      ? []
      : [{ regex: `^${prefix}${other}${files.has(other) ? '\\.ts$' : '/'}`, message }]
  })
}

/** True for `gateway` and what stands above it: there the ports for clock and network are made. */
function readsClock(room: string): boolean {
  return levels
    .slice(0, levels.findIndex((level) => level.includes('gateway')) + 1)
    .some((level) => level.includes(room))
}

/** The rooms below `gateway`, which get clock and network as ports. */
export const portRooms: readonly string[] = levels.flat().filter((room) => !readsClock(room))

/** What no room may import, wherever it stands; `main` is the process edge and may have `node:process`. */
function commonBorders(room: string): Border[] {
  const timers =
    'Timers come in through the Clock port of pipeline/clock.ts, so that tests can turn time by hand.'
  const edge =
    'Only src/main.ts and src/host.ts touch the process: pass what is needed in, so that the gateway can be embedded and tested.'
  return [
    ...(room === 'main' ? [] : [{ regex: '^(node:)?process$', message: edge }]),
    ...(readsClock(room) ? [] : [{ regex: '^(node:)?timers(/promises)?$', message: timers }]),
    {
      regex: '^@modelcontextprotocol/',
      message:
        'The MCP SDK is a test peer: it costs many times the time of our own wire layer and loses unknown fields. It is not installed with the published package.',
    },
    {
      regex: '^(\\.\\./)+(test|test-d|bench|scripts|examples)/',
      message: 'src/ is published alone: it must not import what stands beside it.',
    },
  ]
}

/** The border that keeps the functions that make permits to the one file each belongs to. */
function permitBorders(file?: string): Border[] {
  return minters
    .filter((minter) => minter.file !== file)
    .map(({ name, why }) => ({
      regex: '/permit\\.ts$',
      importNames: [name],
      message: `${name} is not for use here: ${why}.`,
    }))
}

/** The files of a room by depth, with the prefix of a relative import that leads from there back to `src/`. */
function placesOf(room: string): readonly { readonly glob: string; readonly prefix: string }[] {
  if (files.has(room)) return [{ glob: `src/${room}`, prefix: '\\./' }]
  return [
    { glob: `src/${room}/*`, prefix: '\\.\\./' },
    { glob: `src/${room}/*/**/*`, prefix: '(\\.\\./){2,}' },
  ]
}

/** The borders of one room, in three parts: its sources, the file in it that mints, its unit tests. */
function bordersOf(room: string): Borders[] {
  const ownMinters = minters.filter((minter) => minter.room === room)
  const general = placesOf(room).flatMap(({ glob, prefix }) => {
    const rooms = roomBorders(room, prefix)
    return [
      { files: [`${glob}.ts`], patterns: [...rooms, ...commonBorders(room), ...permitBorders()] },
      // Unit tests keep to their room too, but may use test helpers, timers and SDKs, and mint permits.
      { files: [`${glob}.test.ts`], patterns: rooms },
    ]
  })
  const minting = ownMinters.map(({ file }) => ({
    files: [file],
    patterns: [
      ...roomBorders(room, files.has(room) ? '\\./' : '\\.\\./'),
      ...commonBorders(room),
      ...permitBorders(file),
    ],
  }))
  return [...general, ...minting]
}

/** Every border of `src/`, in the order the linter needs: what is special comes after what is general. */
export function borders(): Borders[] {
  return levels.flat().flatMap(bordersOf)
}
