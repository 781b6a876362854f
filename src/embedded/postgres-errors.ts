/** The stable codes of {@link EmbeddedPostgresError}; callers match these, never the message. */
export type EmbeddedPostgresErrorCode =
  | 'EMBEDDED_POSTGRES_NO_BINARIES'
  | 'EMBEDDED_POSTGRES_VERSION_MISMATCH'
  | 'EMBEDDED_POSTGRES_NO_USER'
  | 'EMBEDDED_POSTGRES_NO_ACCESS'
  | 'EMBEDDED_POSTGRES_INITDB_FAILED'
  | 'EMBEDDED_POSTGRES_START_FAILED'
  | 'EMBEDDED_POSTGRES_START_TIMEOUT'

/** An operational failure of the embedded database. The message is one for the operator: what happened and what to do. */
export class EmbeddedPostgresError extends Error {
  readonly code: EmbeddedPostgresErrorCode

  constructor(code: EmbeddedPostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EmbeddedPostgresError'
    this.code = code
  }
}

/** Returns the message of a thrown value, an error or not. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
