import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { callOf, request, someone } from '../../../test/support/scripted.ts'
import type { KeyPart } from '../../config/limits-types.ts'
import type { Permitted, Principal } from '../../pipeline/call.ts'
import { mintPermit } from '../../pipeline/permit.ts'
import { networkOf } from '../../pipeline/network.ts'
import { keyReader } from './keys.ts'

const ANONYMOUS: Principal = { id: 'anonymous', anonymous: true }

function permitted(principal: Principal, address: string | undefined, name = 'search'): Permitted {
  const target = { kind: 'one', backend: 'github', name, paramHeaders: [] } as const
  const call = callOf(request('tools/call', { name: `github_${name}` }), { principal })
  return { ...call, downstream: { ...call.downstream, address }, target, permit: mintPermit(target) }
}

const read = (parts: readonly KeyPart[], call: Permitted): string => keyReader(parts, 'pipe 1')(call)

describe('a key', () => {
  test('of somebody anonymous is the address, or the pipe of this process', () => {
    for (const part of ['principal', 'client', 'apiKey', 'address'] as const) {
      assert.equal(read([part], permitted(ANONYMOUS, '192.0.2.1')), 'address 192.0.2.1')
      assert.equal(read([part], permitted(ANONYMOUS, undefined)), 'pipe 1')
    }
    assert.equal(read(['tenant'], permitted(ANONYMOUS, '192.0.2.1')), '')
  })

  test('of somebody who is known is what was asked for, or who they are', () => {
    const alice = someone('alice', { client: 'app', tenant: 'acme' })
    const plain = someone('bob')
    const machine = someone('ci', { issuer: 'toolgate:keys', subject: 'ci' })
    const at = (principal: Principal, part: KeyPart): string =>
      read([part], permitted(principal, '192.0.2.1'))
    assert.deepEqual(
      (['principal', 'client', 'tenant', 'apiKey'] as const).map((part) => at(alice, part)),
      [`id ${alice.id}`, 'client app', 'acme', `id ${alice.id}`],
    )
    assert.deepEqual([at(plain, 'client'), at(plain, 'tenant')], [`id ${plain.id}`, ''])
    assert.equal(at(machine, 'apiKey'), 'key ci')
  })

  test('of several parts is never like one of other values', () => {
    const parts: readonly KeyPart[] = ['tenant', 'tool']
    const one = read(parts, permitted(someone('p', { tenant: 'a' }), undefined, 'b1:c'))
    const other = read(parts, permitted(someone('p', { tenant: 'ab' }), undefined, '1:c'))
    assert.notEqual(one, other)
    assert.equal(read([], permitted(ANONYMOUS, undefined)), '')
    assert.equal(
      read(['route', 'backend', 'method'], permitted(ANONYMOUS, undefined)),
      '0:6:github10:tools/call',
    )
  })
})

test('an IPv6 address stands for its network of 64 bits', () => {
  assert.equal(networkOf('192.0.2.1'), '192.0.2.1')
  assert.equal(networkOf('2001:db8:0:1:ffff::9'), '2001:db8:0:1::/64')
  assert.equal(networkOf('2001:DB8::1'), '2001:db8:0:0::/64')
  assert.equal(networkOf('::1'), '0:0:0:0::/64')
  assert.equal(networkOf('fe80::'), 'fe80:0:0:0::/64')
  assert.equal(networkOf('64:ff9b::192.0.2.33'), '64:ff9b:0:0::/64')
})
