import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, test } from 'node:test'
import type { GatewaySettings } from '../../config/types.ts'
import { GatewayError } from '../../errors.ts'
import { acceptableOf, isJson } from './headers.ts'
import { type OriginCheck, originCheck } from './origin.ts'

type Allowed = {
  readonly host?: string
  readonly origins?: readonly string[]
  readonly hosts?: readonly string[]
}

function checkFor(allowed: Allowed): OriginCheck {
  const { host = '127.0.0.1', origins = [], hosts = [] } = allowed
  const settings = { listen: { host, port: 8080 }, allowedOrigins: origins, allowedHosts: hosts }
  return originCheck(settings as unknown as GatewaySettings)
}

/** `ok`, or the code of the refusal. */
function outcomeOf(check: OriginCheck, origin: string | undefined, host: string | undefined): string {
  const request = Object.assign(new IncomingMessage(new Socket()), {
    headers: { origin, host },
    method: 'POST',
  })
  try {
    return check(request, new ServerResponse(request), '/mcp') ? 'answered' : 'ok'
  } catch (error) {
    assert.ok(error instanceof GatewayError)
    return error.code
  }
}

/** What a gateway says that has been asked nothing before. */
function outcome(allowed: Allowed, origin: string | undefined, host: string | undefined): string {
  return outcomeOf(checkFor(allowed), origin, host)
}

const LOCAL = 'localhost:8080'

describe('while the gateway listens on loopback', () => {
  const origins: readonly (readonly [string | undefined, string])[] = [
    [undefined, 'ok'],
    ['http://localhost', 'ok'],
    ['http://localhost:3000', 'ok'],
    ['https://127.0.0.1:3000', 'ok'],
    ['http://[::1]:3000', 'ok'],
    ['http://evil.example', 'ORIGIN_FORBIDDEN'],
    ['http://localhost.evil.example', 'ORIGIN_FORBIDDEN'],
    ['http://evil.example/http://localhost', 'ORIGIN_FORBIDDEN'],
    ['http://localhost@evil.example', 'ORIGIN_FORBIDDEN'],
    ['http://127.0.0.1.evil.example', 'ORIGIN_FORBIDDEN'],
    ['file://', 'ORIGIN_FORBIDDEN'],
    ['null', 'ORIGIN_FORBIDDEN'],
    ['', 'ORIGIN_FORBIDDEN'],
  ]
  for (const [origin, expected] of origins) {
    test(`the origin ${origin ?? '(none)'} is ${expected}`, () =>
      assert.equal(outcome({}, origin, LOCAL), expected))
  }

  const hosts: readonly (readonly [string, string])[] = [
    ['localhost', 'ok'],
    ['LOCALHOST:1', 'ok'],
    ['127.0.0.1:8080', 'ok'],
    ['127.1.2.3', 'ok'],
    ['[::1]:8080', 'ok'],
    ['rebound.example:8080', 'HOST_FORBIDDEN'],
    ['localhost.example', 'HOST_FORBIDDEN'],
    ['127.0.0.1.nip.io', 'HOST_FORBIDDEN'],
    ['', 'HOST_FORBIDDEN'],
  ]
  for (const [host, expected] of hosts) {
    test(`the host "${host}" is ${expected}`, () => assert.equal(outcome({}, undefined, host), expected))
  }

  test('a host is judged by itself, whatever was accepted or refused before it', () => {
    const check = checkFor({})
    for (const [first] of hosts) {
      outcomeOf(check, undefined, first)
      for (const [host, expected] of hosts)
        assert.equal(outcomeOf(check, undefined, host), expected, `"${host}" after "${first}"`)
    }
  })

  test('what is configured is accepted beside it, without regard to case', () => {
    const allowed = { origins: ['https://App.example'], hosts: ['Gateway.example'] }
    assert.equal(outcome(allowed, 'https://app.EXAMPLE', 'gateway.EXAMPLE'), 'ok')
    assert.equal(outcome(allowed, 'http://localhost', LOCAL), 'ok')
    assert.equal(outcome(allowed, 'http://app.example', LOCAL), 'ORIGIN_FORBIDDEN')
  })
})

test('elsewhere loopback origins are as foreign as others, and hosts count where they are configured', () => {
  const open = { host: '0.0.0.0' }
  assert.equal(outcome(open, undefined, 'any.example'), 'ok')
  assert.equal(outcome(open, 'http://localhost', 'any.example'), 'ORIGIN_FORBIDDEN')
  const named = { host: '0.0.0.0', hosts: ['gateway.example'] }
  assert.equal(outcome(named, undefined, 'gateway.example'), 'ok')
  assert.equal(outcome(named, undefined, LOCAL), 'HOST_FORBIDDEN')
})

test('what a client takes as an answer', () => {
  const cases: readonly (readonly [string | undefined, boolean, boolean])[] = [
    [undefined, true, true],
    ['*/*', true, true],
    ['application/json', true, false],
    ['text/event-stream', false, true],
    ['Application/JSON;q=0.9, Text/Event-Stream', true, true],
    ['application/*', true, false],
    ['text/html', false, false],
    ['', false, false],
  ]
  for (const [accept, json, events] of cases)
    assert.deepEqual([accept, acceptableOf(accept)], [accept, { json, events }])
})

test('what counts as JSON', () => {
  for (const type of ['application/json', 'Application/JSON; charset=utf-8', 'application/json;x=y'])
    assert.ok(isJson(type))
  for (const type of [
    undefined,
    '',
    'text/plain',
    'application/jsonp',
    'application/json-patch+json',
    'x application/json',
  ])
    assert.ok(!isJson(type), String(type))
})
