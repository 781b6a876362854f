import { type Account, type Audit, getAudit } from '../../api/audit.ts'
import { Heads } from '../../parts/heads.tsx'
import { Moment } from '../../parts/moment.tsx'
import { Mark } from '../../parts/outcome.tsx'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { TenantLink } from '../../parts/tenant-link.tsx'
import { useLoaded } from '../../state/load.ts'
import { saveAs } from '../../state/save.ts'
import { count, several, words } from '../../words/format.ts'
import { auditState, CELL_WORDS } from './cell.ts'

const TONES = { complete: 'ok', so_far: 'ok', gap: 'upstream', unproven: 'refused', none: 'client' } as const

/** Whose requests a gateway makes of itself. */
const CANARY = '__canary__'

/** A window whose proof is shown. */
export interface Span {
  /** `2026-11-21` for a day, `2026-11-21T07` for an hour. */
  readonly name: string
  readonly since: string
  readonly until: string
}

/** What the ledger says of a window: the sentence, each gap, and the books by tenant; and all of that as a file. */
export function Proof({ of: { name, since, until } }: { readonly of: Span }) {
  const { value: audit, error } = useLoaded(name, (signal) => getAudit(since, until, signal)).value
  const title =
    name.length === DAY_LENGTH
      ? name
      : `${name.slice(0, DAY_LENGTH)}, ${name.slice(-2)}:00 to ${name.slice(-2)}:59`
  if (audit === null)
    return (
      <Panel title={title}>
        <Failure error={error} />
        {error === null ? <div class="waiting" /> : null}
      </Panel>
    )
  return (
    <Panel
      title={title}
      hint={
        <>
          {audit.batches === null ? '' : `${several(audit.batches, 'batch', 'batches')} of `}
          {several(audit.instances.length, 'gateway process', 'gateway processes')}
        </>
      }
      tools={
        <button type="button" class="button small" onClick={() => saveProof(audit, name)}>
          Save the proof
        </button>
      }
    >
      <Failure error={error} />
      <Sentence of={audit} />
      <Gaps of={audit} />
      {audit.tenants.length === 0 ? (
        <Empty title="No request in this time." />
      ) : (
        <Books tenants={audit.tenants} />
      )}
    </Panel>
  )
}

const DAY_LENGTH = '2026-11-21'.length

function Sentence({ of: audit }: { readonly of: Audit }) {
  const state = auditState(audit)
  return (
    <p class="note">
      <Mark of={TONES[state]} /> <strong>{CELL_WORDS[state][1]}</strong>
      {audit.gapCount === 0 ? null : `, ${several(audit.gapCount, 'gap')}`}
      {audit.settledTo === null || audit.settledTo >= audit.until ? null : (
        <span class="soft">
          {' '}
          up to <Moment at={audit.settledTo} />: live gateways go on
        </span>
      )}
      {audit.waiting === null || audit.waiting === 0 ? null : (
        <span class="soft">, {several(audit.waiting, 'entry', 'entries')} on their way</span>
      )}
    </p>
  )
}

function Gaps({ of: audit }: { readonly of: Audit }) {
  return audit.gaps.length === 0 ? null : (
    <ul class="lines">
      {audit.gaps.map((gap) => (
        <li key={gap.line}>
          <Mark of="upstream" /> {gap.line}
        </li>
      ))}
      {audit.gapCount > audit.gaps.length ? (
        <li>and {several(audit.gapCount - audit.gaps.length, 'other')}</li>
      ) : null}
    </ul>
  )
}

/** Saves what the ledger proves as the API gave it. */
function saveProof(audit: Audit, name: string): void {
  const text = `${JSON.stringify(audit, null, 2)}\n`
  saveAs(`audit-${name}.json`, new Blob([text], { type: 'application/json' }))
}

function droppedOf({ dropped }: Account): number {
  return Object.values(dropped).reduce((sum, n) => sum + n, 0)
}

function Books({ tenants }: { readonly tenants: readonly Account[] }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Books">
      <table>
        <Heads
          of={[
            'Tenant',
            ['Accepted', 'n'],
            ['Stored', 'n'],
            ['Of these expired', 'n'],
            ['Quarantined', 'n'],
            ['Dropped', 'n'],
          ]}
        />
        <tbody>
          {tenants.map((account) => (
            <tr key={account.tenant}>
              <th scope="row">
                {account.tenant === CANARY ? (
                  "the gateway's own canaries"
                ) : (
                  <TenantLink of={account.tenant} />
                )}
              </th>
              <td class="n">{count(account.accepted)}</td>
              <td class="n">{count(account.stored)}</td>
              <td class="n">{count(account.expired)}</td>
              <td class={account.quarantined > 0 ? 'n bad' : 'n'}>{count(account.quarantined)}</td>
              <td
                class={droppedOf(account) > 0 ? 'n bad' : 'n'}
                title={words(Object.keys(account.dropped).join(', '))}
              >
                {count(droppedOf(account))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
