import type { Protection } from './protection.ts'

const SIGNED = 'test/signed-callers.test.ts'
const VERIFY = 'src/signing/verify.ts'

/** What signatures that an API key requires protect against. */
export const signatures: readonly Protection[] = [
  {
    against: 'requests without the signature that their key requires',
    file: 'src/auth/door.ts',
    find: "throw new GatewayError('SIGNATURE_REQUIRED'",
    replace: "new GatewayError('SIGNATURE_REQUIRED'",
    test: SIGNED,
    fails: 'is of no use without',
  },
  {
    against: 'unsigned bodies',
    file: 'src/listener/http/front.ts',
    find: 'door.checkContent(post.request, post.principal, text)',
    replace: 'void door',
    test: SIGNED,
    fails: 'refuses a signature of other content',
  },
  {
    against: 'unsigned requests without a body',
    file: 'src/listener/http/front.ts',
    find: "if (request.method !== 'POST') this",
    replace: 'if (false) this',
    test: SIGNED,
    fails: 'signs every request of its session',
  },
  {
    against: 'signed requests that are sent again',
    file: VERIFY,
    find: "throw new SignatureError('The signature was used before')",
    replace: 'return',
    test: SIGNED,
    fails: 'lets through what is signed with its own key, once',
  },
  {
    against: 'old signatures',
    file: VERIFY,
    find: "throw new SignatureError('The signature is too old')",
    replace: 'now',
    test: SIGNED,
    fails: 'refuses a signature that is too old',
  },
  {
    against: 'signatures that leave out the content',
    file: VERIFY,
    find: "[...required, 'content-digest']",
    replace: 'required',
    test: SIGNED,
    fails: 'refuses a signature of no content',
  },
  {
    against: 'signatures of other callers',
    file: 'src/auth/signed-requests.ts',
    find: 'keys.find((one) => one.keyId === keyId)',
    replace: 'keys[0]',
    test: SIGNED,
    fails: 'refuses a signature with the key of another caller',
  },
  {
    against: 'signatures that are forgotten when rights change',
    file: 'src/auth/api-keys.ts',
    find: 'return meaning === last?.meaning',
    replace: 'return meaning === `${last?.meaning}.`',
    test: 'src/auth/api-keys.test.ts',
    fails: 'remembers what was used when its rights change',
  },
]
