import type { Account, Audit } from '../../api/audit.ts'
import { Heads } from '../../parts/heads.tsx'
import { Moment } from '../../parts/moment.tsx'
import { Mark } from '../../parts/outcome.tsx'
import { Empty, Panel } from '../../parts/page.tsx'
import { saveAs } from '../../state/save.ts'
import { count, several, words } from '../../words/format.ts'
import { CELL_WORDS, cellOf, type CellState } from './cell.ts'
import type { AuditedDay } from './completeness.tsx'

const TONES: Readonly<Record<CellState, 'ok' | 'refused' | 'upstream' | 'client'>> = {
  complete: 'ok',
  so_far: 'ok',
  gap: 'upstream',
  unproven: 'refused',
  none: 'client',
  unread: 'client',
}

/** What the ledger says of one day: the sentence, each gap, and the books by tenant. */
export function DayPanel({ of: { day, audit } }: { readonly of: AuditedDay }) {
  if (audit === null)
    return (
      <Panel title={day}>
        <div class="waiting" />
      </Panel>
    )
  const { state } = cellOf(audit, null)
  return (
    <Panel
      title={day}
      hint={
        <>
          {audit.batches === null ? '' : `${several(audit.batches, 'batch', 'batches')} of `}
          {several(audit.instances.length, 'gateway process', 'gateway processes')}
        </>
      }
      tools={
        <button type="button" class="button small" onClick={() => saveProof(audit, day)}>
          Save the proof
        </button>
      }
    >
      <p class="note">
        <Mark of={TONES[state]} /> <strong>{CELL_WORDS[state][1]}</strong>
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
      {audit.gaps.length === 0 ? null : (
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
      )}
      {audit.tenants.length === 0 ? (
        <Empty title="No request on this day." />
      ) : (
        <Books tenants={audit.tenants} />
      )}
    </Panel>
  )
}

/** Saves what the ledger proves as the API gave it. */
function saveProof(audit: Audit, day: string): void {
  const text = `${JSON.stringify(audit, null, 2)}\n`
  saveAs(`audit-${day}.json`, new Blob([text], { type: 'application/json' }))
}

function droppedOf({ dropped }: Account): number {
  return Object.values(dropped).reduce((sum, n) => sum + n, 0)
}

function Books({ tenants }: { readonly tenants: readonly Account[] }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Books of the day">
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
              <th scope="row">{tenantWords(account.tenant)}</th>
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

function tenantWords(tenant: string): string {
  if (tenant === '') return 'not attributed'
  return tenant === '__canary__' ? "the gateway's own canaries" : tenant
}
