import { describe } from 'node:test'
import { type BadInput, type Face, type Refused, refuses, world } from './support/cases.ts'
import { META, modernHeaders } from './support/gateway.ts'

const parseError: Refused = { status: 400, rpc: -32700, code: 'PARSE_ERROR' }
const invalid: Refused = { status: 400, rpc: -32600, code: 'INVALID_REQUEST' }

/** A call of the echo tool with parts put in at its three levels. */
const call = ({ echo }: Face, parts: { root?: string; params?: string; args?: string } = {}): string =>
  `{"jsonrpc":"2.0","id":7,"method":"tools/call"${parts.root ?? ''},"params":{"name":"${echo}","arguments":{${parts.args ?? ''}},"_meta":${META}${parts.params ?? ''}}}`

/** A case whose request has correct headers and this body. */
const body = (title: string, text: (face: Face) => string | Uint8Array, refused: Refused): BadInput => ({
  title,
  request: (face) => ({ headers: modernHeaders('tools/call', face.echo), body: text(face) }),
  refused,
})

const bytes = (...parts: readonly (string | readonly number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

const nested = (open: string, close: string, levels: number): string =>
  open.repeat(levels) + close.repeat(levels)

const syntax: readonly BadInput[] = [
  body('no body', () => '', parseError),
  body('only white space', () => ' \r\n\t', parseError),
  body('no JSON', () => 'hello', parseError),
  body('a truncated message', (face) => call(face).slice(0, -1), {
    ...parseError,
    message: /end of the JSON text/,
  }),
  body('a byte order mark', (face) => bytes([0xef, 0xbb, 0xbf], call(face)), parseError),
  body('invalid UTF-8 in a string', (face) => bytes(call(face).slice(0, -3), ',"x":"', [0xc3, 0x28], '"}}'), {
    ...parseError,
    message: /UTF-8/,
  }),
  body(
    'an overlong UTF-8 slash',
    (face) => bytes(call(face).slice(0, -2), ',"x":"', [0xc0, 0xaf], '"}}'),
    parseError,
  ),
  body(
    'a surrogate in UTF-8',
    (face) => bytes(call(face).slice(0, -2), ',"x":"', [0xed, 0xa0, 0x80], '"}}'),
    parseError,
  ),
  body('UTF-16', (face) => Buffer.from(call(face), 'utf16le'), parseError),
  body('a NUL between tokens', (face) => call(face).replace(',', ',\0'), parseError),
  body('a NUL in a string', (face) => call(face, { args: '"x":"\0"' }), parseError),
  body('a line break in a string', (face) => call(face, { args: '"x":"a\nb"' }), parseError),
  body('text after the message', (face) => `${call(face)}x`, {
    ...parseError,
    message: /after the JSON value/,
  }),
  body('a second message', (face) => `${call(face)}\n${call(face)}`, parseError),
  body('a trailing comma', (face) => call(face, { args: '"x":1,' }), parseError),
  body('single quotes', (face) => call(face, { args: "'x':1" }), parseError),
  body('a comment', (face) => `/* hi */${call(face)}`, parseError),
  body('NaN', (face) => call(face, { args: '"x":NaN' }), parseError),
  body('a leading zero', (face) => call(face, { args: '"x":01' }), parseError),
  body('a leading plus', (face) => call(face, { args: '"x":+1' }), parseError),
  body('a bare fraction', (face) => call(face, { args: '"x":1.' }), parseError),
  body('an unknown escape', (face) => call(face, { args: String.raw`"x":"\x41"` }), parseError),
  body('a short \\u escape', (face) => call(face, { args: String.raw`"x":"\u12"` }), parseError),
  body('arrays nested too deeply', (face) => call(face, { args: `"x":${nested('[', ']', 100_000)}` }), {
    ...parseError,
    message: /deeper than 64/,
  }),
  body(
    'objects nested too deeply',
    (face) => call(face, { args: `"x":${'{"a":'.repeat(99)}1${'}'.repeat(99)}` }),
    {
      ...parseError,
      message: /deeper than 64/,
    },
  ),
]

const duplicates: readonly BadInput[] = [
  body('of the message', (face) => call(face, { root: ',"method":"tools/list"' }), parseError),
  body('of the parameters', (face) => call(face, { params: ',"name":"other"' }), parseError),
  body('of the arguments', (face) => call(face, { args: '"x":1,"x":1' }), parseError),
  body('of _meta', (face) => call(face).replace(META, META.replace('{', '{"a":1,"a":2,')), parseError),
  body(
    'six levels deep',
    (face) => call(face, { args: '"a":{"b":[{"c":{"x":1,"y":2,"x":3}}]}' }),
    parseError,
  ),
  body(
    'spelled with an escape',
    (face) => call(face, { params: String.raw`,"n\u0061me":"other"` }),
    parseError,
  ),
  body(
    'both spelled with escapes',
    (face) => call(face, { args: String.raw`"\u0078":1,"\u0078":2` }),
    parseError,
  ),
  body(
    'among many',
    (face) => call(face, { args: Array.from({ length: 30 }, (_, n) => `"k${n % 29}":1`).join() }),
    {
      ...parseError,
      message: /Duplicate member/,
    },
  ),
]

const envelope = (members: string): string => `{${members},"params":{"_meta":${META}}}`

const shape: readonly BadInput[] = [
  body('an empty object', () => '{}', invalid),
  body('null', () => 'null', invalid),
  body('a number', () => '5', invalid),
  body('a string', () => '"tools/call"', invalid),
  body('a batch of one', (face) => `[${call(face)}]`, { ...invalid, message: /Batches/ }),
  body('an empty batch', () => '[]', { ...invalid, message: /Batches/ }),
  body('no jsonrpc', () => envelope('"id":7,"method":"tools/list"'), { ...invalid, id: '7' }),
  body('jsonrpc 1.0', () => envelope('"jsonrpc":"1.0","id":7,"method":"tools/list"'), {
    ...invalid,
    id: '7',
  }),
  body('jsonrpc as a number', () => envelope('"jsonrpc":2.0,"id":7,"method":"tools/list"'), {
    ...invalid,
    id: '7',
  }),
  body('id null', () => envelope('"jsonrpc":"2.0","id":null,"method":"tools/list"'), invalid),
  body('id with a fraction', () => envelope('"jsonrpc":"2.0","id":1.5,"method":"tools/list"'), invalid),
  body('id with an exponent', () => envelope('"jsonrpc":"2.0","id":1e3,"method":"tools/list"'), invalid),
  body('id an object', () => envelope('"jsonrpc":"2.0","id":{},"method":"tools/list"'), invalid),
  body('id an array', () => envelope('"jsonrpc":"2.0","id":[1],"method":"tools/list"'), invalid),
  body('id a boolean', () => envelope('"jsonrpc":"2.0","id":true,"method":"tools/list"'), invalid),
  body('no method', () => envelope('"jsonrpc":"2.0","id":7'), { ...invalid, id: '7' }),
  body('method a number', () => envelope('"jsonrpc":"2.0","id":7,"method":5'), { ...invalid, id: '7' }),
  body('method null', () => envelope('"jsonrpc":"2.0","id":"a","method":null'), { ...invalid, id: '"a"' }),
  body('params an array', () => '{"jsonrpc":"2.0","id":7,"method":"tools/list","params":[]}', {
    ...invalid,
    id: '7',
    message: /"params" must be an object/,
  }),
  body('params null', () => '{"jsonrpc":"2.0","id":7,"method":"tools/list","params":null}', {
    ...invalid,
    id: '7',
  }),
  body('a request that carries a result', (face) => call(face, { root: ',"result":{}' }), {
    ...invalid,
    id: '7',
  }),
  body(
    'a response with result and error',
    () => '{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":""}}',
    {
      ...invalid,
      id: '7',
    },
  ),
  body('a response nobody waits for', () => '{"jsonrpc":"2.0","id":7,"result":{}}', {
    ...invalid,
    code: 'SESSION_REQUIRED',
  }),
  body('an error nobody waits for', () => '{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":""}}', {
    ...invalid,
    code: 'SESSION_REQUIRED',
  }),
]

describe('JSON that is none', () => refuses(syntax, world()))
describe('duplicate members', () => refuses(duplicates, world()))
describe('JSON that is no message', () => refuses(shape, world()))
