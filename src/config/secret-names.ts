const SECRET_NAME =
  /(token|secret|passw|passphrase|pwd|api[-_]?key|access[-_]?key|private[-_]?key|auth|credential|bearer|cookie|session|dsn|webhook)|(^|[-_])(key|pat|pass)$/i

/** True for a name such as `GITHUB_TOKEN` or `--api-key`. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name)
}

/** How well-known keys begin; `eyJ` is what every signed token begins with. */
const PREFIXED =
  /^(sk|pk|rk|ghp|gho|ghu|ghs|github_pat|glpat|xox[a-z]|npm|hf|AKIA|ASIA|AIza|ya29|eyJ)[-_.A-Za-z0-9]{8,}/

/** True for a text that begins like a well-known kind of key. */
export function isKnownKey(value: string): boolean {
  return PREFIXED.test(value)
}
