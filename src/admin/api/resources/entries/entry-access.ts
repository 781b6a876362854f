/** Entries are for all roles: a tenant's are kept apart by the database. */
export const READ = { role: 'viewer', isForTenants: true } as const
/** What is sent as long as the client takes it. */
export const READ_LASTING = { ...READ, isLasting: true } as const
export const TAGS = ['entries']
