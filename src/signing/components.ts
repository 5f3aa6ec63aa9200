/** The parts of an HTTP message that a signature can cover (RFC 9421 §2). */
export interface SignedMessage {
  readonly method: string
  /** The whole target URI. */
  readonly url: URL
  /** Status of a response; undefined for a request. */
  readonly status?: number
  /**
   * The value of a field by its lower-case name; several lines of one field are joined by ", " (§2.1). Undefined where
   * the message has no such field.
   */
  readonly field: (name: string) => string | undefined
}

/** One covered component: a field or a derived component, with the parameter of `@query-param`. */
export interface Component {
  readonly name: string
  /** Which query parameter `@query-param` means. */
  readonly param?: string
}

/** Why a message cannot be signed or verified; the text says what is missing, never a value. */
export class SignatureError extends Error {
  override readonly name = 'SignatureError'
}

/** How a component is named in the signature base and in `Signature-Input`. */
export function identifier({ name, param }: Component): string {
  return param === undefined ? `"${name}"` : `"${name}";name="${param}"`
}

/**
 * The text that is signed (§2.5): one line per component, and the parameters of the signature as they stand in
 * `Signature-Input`.
 *
 * @throws SignatureError where the message lacks a component, or its value could be read as several lines
 */
export function signatureBase(
  message: SignedMessage,
  components: readonly Component[],
  parameters: string,
): string {
  let base = ''
  for (const component of components) {
    const value = valueOf(message, component)
    if (/[\r\n]/.test(value)) throw new SignatureError(`The value of ${component.name} has several lines`)
    base += `${identifier(component)}: ${value}\n`
  }
  return `${base}"@signature-params": ${parameters}`
}

function valueOf(message: SignedMessage, component: Component): string {
  const { name } = component
  if (name.startsWith('@')) return derived(message, component)
  const value = message.field(name)
  if (value === undefined) throw new SignatureError(`The message has no field ${name}`)
  return value.trim()
}

/** §2.2. What depends on the request of a response (`req`) is not offered. */
function derived({ method, url, status }: SignedMessage, { name, param }: Component): string {
  switch (name) {
    case '@method':
      return method
    case '@target-uri':
      return url.href
    case '@authority':
      return url.host
    case '@scheme':
      return url.protocol.slice(0, -1)
    case '@request-target':
      return `${url.pathname}${url.search}`
    case '@path':
      return url.pathname
    case '@query':
      return url.search === '' ? '?' : url.search
    case '@query-param':
      return queryParam(url, param ?? '')
    case '@status':
      if (status === undefined) throw new SignatureError('A request has no @status')
      return String(status)
    default:
      throw new SignatureError(`Unknown component ${name}`)
  }
}

/** §2.2.8: re-encoded, and refused where the name stands more than once. */
function queryParam(url: URL, encodedName: string): string {
  const name = new URLSearchParams(`${encodedName}=`).keys().next().value ?? ''
  const values = url.searchParams.getAll(name)
  const [value] = values
  if (values.length !== 1 || value === undefined)
    throw new SignatureError('A covered query parameter must stand exactly once in the URL')
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
