/** An error with which a backend itself answered a call. */
export class BackendError extends Error {
  override readonly name = 'BackendError'
  /** The JSON-RPC code. */
  readonly code: number
  /** Undefined where the call was made by the name that clients see. */
  readonly backend: string | undefined
  readonly data: unknown

  /** @param message as the backend wrote it */
  constructor(
    message: string,
    {
      code,
      backend,
      data,
    }: { readonly code: number; readonly backend: string | undefined; readonly data: unknown },
  ) {
    super(message)
    this.code = code
    this.backend = backend
    this.data = data
  }
}
