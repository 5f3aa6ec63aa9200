import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeArguments } from './arguments.ts'
import { CliError } from './io.ts'

const property = (schema: object, value: string): string =>
  encodeArguments({ type: 'object', properties: { v: schema } }, [`v=${value}`], undefined)

test('a text becomes what the schema asks for, numbers as they were typed', () => {
  for (const [schema, value, expected] of [
    [{ type: 'string' }, '5', '"5"'],
    [{ type: 'integer' }, '18446744073709551616', '18446744073709551616'],
    [{ type: 'number' }, '1.0', '1.0'],
    [{ type: 'number' }, '1e5', '1e5'],
    [{ type: 'boolean' }, 'true', 'true'],
    [{ type: ['string', 'null'] }, 'null', 'null'],
    [{ type: 'object' }, '{"a": 1.0}', '{"a": 1.0}'],
    [{ type: 'array', items: { type: 'number' } }, '[1, 2]', '[1, 2]'],
    [{ type: 'array', items: { type: 'number' } }, '1', '[1]'],
    [{ enum: ['1', '2'] }, '1', '"1"'],
    [{ enum: [1, 2] }, '1', '1'],
    [{ const: true }, 'true', 'true'],
    [{ anyOf: [{ type: 'number' }, { type: 'null' }] }, '3', '3'],
    [{ anyOf: [{ type: 'number' }, { type: 'string' }] }, 'x', '"x"'],
    [{}, 'true', '"true"'],
  ] as const) {
    assert.equal(property(schema, value), `{"v":${expected}}`, JSON.stringify([schema, value]))
  }
})

test('a text that the schema does not allow is refused by name', () => {
  for (const [schema, value, message] of [
    [{ type: 'integer' }, '1.5', '--arg v: expected integer; found "1.5"'],
    [{ type: 'number' }, '0x10', '--arg v: expected number; found "0x10"'],
    [{ type: 'boolean' }, 'yes', '--arg v: expected boolean; found "yes"'],
    [{ type: 'object' }, '[1]', '--arg v: expected object; found "[1]"'],
    [{ type: 'object' }, '{"a":1,"a":2}', '--arg v: expected object; found "{\\"a\\":1,\\"a\\":2}"'],
  ] as const) {
    assert.throws(() => property(schema, value), new CliError(message))
  }
  assert.throws(
    () => encodeArguments({}, ['v=1', 'v=2'], undefined),
    new CliError('--arg v is given 2 times, but it is no list'),
  )
})

test('property: any text and any name arrive as they were given', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), (name, value) => {
      fc.pre(!name.includes('=') && name !== '__proto__')
      const json = encodeArguments({ type: 'object' }, [`${name}=${value}`], undefined)
      assert.deepEqual(JSON.parse(json), { [name]: value })
    }),
  )
})
