/**
 * A key and its self-signed certificate for the names issuer.test and other.test, for servers of tests on loopback. It
 * protects nothing.
 */
export const testCertificate: { readonly key: string; readonly cert: string } = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgtWdx16o56Qxx0cmG
vlO8cYc19h0NoizNNJaYD02Oby2hRANCAARQrP7OkIlxNyHaKwMrUq43piF/dj99
HGPEwIoovxMpwriSgxexTM+ZAKedP9eiNCGe3FBkMFhZKtEQSK3DMuZF
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBqDCCAU2gAwIBAgIURsfYlm9Uck7ztkJTqdoF3ZK+YFEwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLaXNzdWVyLnRlc3QwIBcNMjYxMTI1MjIyNTU0WhgPMjEyNjEx
MDEyMjI1NTRaMBYxFDASBgNVBAMMC2lzc3Vlci50ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEUKz+zpCJcTch2isDK1KuN6Yhf3Y/fRxjxMCKKL8TKcK4koMX
sUzPmQCnnT/XojQhntxQZDBYWSrREEitwzLmRaN3MHUwHQYDVR0OBBYEFHI2aXGk
d9ORtBcj5LC8N/2tlLCPMB8GA1UdIwQYMBaAFHI2aXGkd9ORtBcj5LC8N/2tlLCP
MA8GA1UdEwEB/wQFMAMBAf8wIgYDVR0RBBswGYILaXNzdWVyLnRlc3SCCm90aGVy
LnRlc3QwCgYIKoZIzj0EAwIDSQAwRgIhAMjOuHVhPWJ+y+sKb4jbrQa3vItVJdq0
moK5E6tRbgeoAiEA5ss7Uuw3B8xyTq03PQ0NyxfZKnFv4glrBIALd53rSsk=
-----END CERTIFICATE-----
`,
}
