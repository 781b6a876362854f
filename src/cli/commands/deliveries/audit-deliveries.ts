import type { AuditSummary } from '../../../model/audit/audit.ts'
import type { AccountWindow } from '../../plane/delivery-port.ts'
import type { ControlPlane } from '../../plane/plane.ts'
import { SETTLED_MS } from '../../../store/deliveries/delivery-accounts.ts'
import type { DeliveryProof } from '../../../store/deliveries/delivery-proofs.ts'

/** What an audit finds of deliveries: a line for each thing that is missing, and the books in words. */
interface DeliveryFindings {
  readonly gaps: readonly string[]
  /** '' where there is nothing to be said. */
  readonly words: string
}

const NOTHING: DeliveryFindings = { gaps: [], words: '' }

/** Proves deliveries; null where they cannot be read. `settledTo`: until when entries are known to be stored. */
export type ProveDeliveries = (settledTo: Date | null) => Promise<readonly DeliveryProof[] | null>

/** By the API: the accounts of a window, without a comparison with the entries of attempts. */
export function proveByApi(
  plane: Pick<ControlPlane, 'nowMs' | 'accountDeliveries'>,
  window: AccountWindow,
): ProveDeliveries {
  return async () => {
    const until = new Date(Math.min(window.until.getTime(), (await plane.nowMs()) - SETTLED_MS))
    if (window.since >= until) return []
    const accounts = await plane.accountDeliveries({ ...window, until })
    return accounts.map((account) => Object.assign(account, { unproven: null }))
  }
}

/** The sums of an audit with what is found of deliveries, whose gaps are counted like others. */
export async function withDeliveries(
  summary: AuditSummary,
  prove: ProveDeliveries,
): Promise<{
  readonly summary: AuditSummary
  readonly deliveries: readonly DeliveryProof[] | null
  readonly found: DeliveryFindings
}> {
  const deliveries = await prove(summary.settledTo)
  const found = findingsOf(deliveries)
  const gapCount = summary.gapCount + found.gaps.length
  return { summary: { ...summary, isComplete: gapCount === 0, gapCount }, deliveries, found }
}

/** What there is to be said of proofs; null: deliveries could not be read. */
function findingsOf(proofs: readonly DeliveryProof[] | null): DeliveryFindings {
  if (proofs === null) return { gaps: [], words: 'deliveries not looked at: the role may not read them' }
  if (proofs.length === 0) return NOTHING
  const gaps = proofs.flatMap(({ tenant, missing, unproven }) => [
    ...(missing === 0
      ? []
      : [
          `tenant ${tenant}: deliveries missing: ${missing} accepted and not there, or in a state that is not what would happen`,
        ]),
    ...(unproven === null || unproven === 0
      ? []
      : [`tenant ${tenant}: deliveries unproven: ${unproven} said to be delivered, and no entry says so`]),
  ])
  return { gaps, words: booksOf(proofs) }
}

const STATES = ['delivered', 'waiting', 'dead', 'dropped', 'coalesced', 'duplicate'] as const
/** Said though there are none. */
const ALWAYS: ReadonlySet<string> = new Set(['delivered', 'waiting', 'dead', 'dropped'])

function booksOf(proofs: readonly DeliveryProof[]): string {
  const sum = (name: Exclude<keyof DeliveryProof, 'tenant' | 'unproven'>): number =>
    proofs.reduce((total, proof) => total + proof[name], 0)
  const [accepted, repeated] = [sum('accepted'), sum('repeated')]
  const states = STATES.map((name) => ({ name, n: sum(name) }))
    .filter(({ name, n }) => n > 0 || ALWAYS.has(name))
    .map(({ name, n }) => `${n} ${name}`)
  const taken = repeated === 0 ? `${accepted} accepted` : `${accepted} accepted + ${repeated} repeated`
  return `deliveries: ${taken} = ${states.join(' + ')}`
}
