/** The `code` of an error of Node (`ENOSPC`), of a driver (a SQLSTATE) or of ours; `unknown` for what has none. */
export function errorCode(error: unknown): string {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' ? code : 'unknown'
}
