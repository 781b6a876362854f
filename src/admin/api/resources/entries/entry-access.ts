import { within } from '../../../../lib/time/within.ts'
import { DeadlineError } from '../../../problem.ts'

/** Entries are for all roles: a tenant's are kept apart by the database. */
export const READ = { role: 'viewer', isForTenants: true } as const
export const TAGS = ['entries']

/** Waits for an answer of the database no longer than the listener does, and than the client. */
export async function bounded<T>(
  answer: Promise<T>,
  { gone, timeoutMs }: { readonly gone: AbortSignal; readonly timeoutMs: number },
): Promise<T> {
  const late = (): never => {
    throw new DeadlineError()
  }
  return await within(answer, { ms: timeoutMs, signal: gone, late })
}
