/** `npm run bench -- signing`: what signing the requests to a backend costs a call. README.md says how to read it. */
import { generateKeyPairSync } from 'node:crypto'
import { compareSettings } from './backend-settings.ts'

const SECRET = 'a secret of the gateway and its backend'
const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' })

/** The forms that are compared; the backend verifies none of them. */
const SETTINGS: Readonly<Record<string, object>> = {
  off: {},
  'rfc9421 hmac': { signing: { key: SECRET, keyId: 'bench' } },
  'rfc9421 ed25519': { signing: { algorithm: 'ed25519', key: ed25519, keyId: 'bench' } },
  'sorted json': { signing: { form: 'sorted-json', key: SECRET } },
}

/** Measures each form in turn, round by round, and prints CPU per call and its ratio to unsigned requests. */
export const measureSigning = async (args: readonly string[]): Promise<number> =>
  compareSettings({ settings: SETTINGS, yardstick: 'off', kind: 'signing' }, args)
