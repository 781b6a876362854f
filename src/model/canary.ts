import { OUTCOME_NAMES } from './outcome.ts'

/**
 * Marks of a canary: an access entry that the gateway itself puts into the channel now and then, to measure the way of entries into
 * the database. It is accepted, stored and audited like any other, and is in no tenant's figures.
 */

/** Tenant of canaries; no slug can look like this. */
export const CANARY_TENANT = '__canary__'

/** Outcome of canaries; no request ends in it. */
export const CANARY_OUTCOME = 'canary'

/** What an entry's outcome can be: how requests end, and the mark of canaries. */
export const ENTRY_OUTCOMES = [...OUTCOME_NAMES, CANARY_OUTCOME] as const
