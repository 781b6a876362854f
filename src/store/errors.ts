/** What a store operation can refuse, by stable code. */
export const STORE_ERROR_CODES = [
  'tenant_exists',
  'tenant_not_found',
  'tenant_deleted',
  'key_exists',
  'key_not_found',
  'key_revoked',
  'key_expired',
  'key_rotated',
  'stale_version',
  'migration_altered',
  'migration_destructive',
  'migration_locked',
  'database_newer',
  'postgres_too_old',
  'partition_failed',
  'quarantine_not_found',
  'token_not_found',
  'session_not_found',
  'series_too_large',
  'delivery_not_found',
  'delivery_state',
  'rule_not_found',
  'rule_removed',
  'rule_contradicts',
  'too_many_rules',
] as const

export type StoreErrorCode = (typeof STORE_ERROR_CODES)[number]

/** A refusal of the store. `message` is fit to be shown to the operator; matched by `code`, never by message. */
export class StoreError extends Error {
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
    this.code = code
  }
}
