import type { Overview } from '../../api/overview.ts'
import { Track } from '../../parts/meter.tsx'
import { Panel } from '../../parts/page.tsx'
import { count, duration, words } from '../../words/format.ts'

interface Term {
  readonly id: string
  readonly label: string
  readonly n: number
  readonly isTrouble: boolean
  readonly note: string
}

/** The terms of the account: accepted = stored + spilled + quarantined + dropped + buffered, at every moment. */
function termsOf({ accessLog: log }: Overview): readonly Term[] {
  const dropped = Object.values(log.dropped).reduce((sum, n) => sum + n, 0)
  const reasons = Object.entries(log.dropped).filter(([, n]) => n > 0)
  return [
    { id: 'stored', label: 'Stored', n: log.stored, isTrouble: false, note: 'in PostgreSQL' },
    { id: 'buffered', label: 'In memory', n: log.buffered, isTrouble: false, note: 'on their way' },
    {
      id: 'spilled',
      label: 'On disk',
      n: log.spilled,
      isTrouble: log.spilled > 0,
      note: 'until PostgreSQL takes them',
    },
    {
      id: 'quarantined',
      label: 'Quarantined',
      n: log.quarantined,
      isTrouble: log.quarantined > 0,
      note: 'PostgreSQL refused them',
    },
    {
      id: 'dropped',
      label: 'Dropped',
      n: dropped,
      isTrouble: dropped > 0,
      note:
        reasons.length === 0
          ? 'lost, and counted'
          : reasons.map(([reason, n]) => `${words(reason)} ${count(n)}`).join(', '),
    },
  ]
}

/** The account as a bar that adds up. */
export function Account({ overview }: { readonly overview: Overview }) {
  const terms = termsOf(overview)
  const { accepted, canary, oldestUnflushedAgeMs: oldest, pendingReplay, spilled } = overview.accessLog
  const missing = accepted - terms.reduce((sum, { n }) => sum + n, 0)
  return (
    <Panel
      title="Every request is accounted for"
      hint={missing === 0 ? 'It adds up, as of this second.' : undefined}
      tools={<a href="/completeness">Completeness</a>}
      className="account"
    >
      {missing === 0 ? null : (
        <p class="failure" role="alert">
          It does not add up: the difference is {count(missing)}. Please report it.
        </p>
      )}
      <AccountBar terms={terms} accepted={accepted} />
      <dl class="equation">
        <div class="term total">
          <dt>Accepted</dt>
          <dd>{count(accepted)}</dd>
          <dd class="hint">since this gateway started</dd>
        </div>
        {terms.map(({ id, label, n, isTrouble, note }, i) => (
          <div class={`term ${id}`} key={id}>
            <dt>
              <span class="operator" aria-hidden="true">
                {i === 0 ? '=' : '+'}
              </span>
              <span class="swatch" aria-hidden="true" /> {label}
            </dt>
            <dd class={isTrouble ? 'bad' : ''}>{count(n)}</dd>
            <dd class="hint">{note}</dd>
          </div>
        ))}
      </dl>
      <ul class="facts">
        {canary === null || canary === undefined ? null : (
          <li>
            Way to the table, by the newest canary:{' '}
            <strong>
              {canary.roundTripMs === null ? 'none has arrived yet' : duration(canary.roundTripMs)}
            </strong>
            {canary.roundTripMs === null ? null : (
              <span class="soft">, sent {duration(canary.ageMs)} ago</span>
            )}
          </li>
        )}
        <li>
          Oldest entry not yet stored: <strong>{oldest === 0 ? 'none' : duration(oldest)}</strong>
        </li>
        {pendingReplay === null || pendingReplay <= spilled ? null : (
          <li class="bad">On disk of earlier processes too: {count(pendingReplay)}</li>
        )}
      </ul>
    </Panel>
  )
}

/** Least width of a term that is not nothing: one entry of a million shall be seen. */
const LEAST = 0.8

function AccountBar({ terms, accepted }: { readonly terms: readonly Term[]; readonly accepted: number }) {
  const shares = terms.map(({ n }) => (accepted === 0 || n === 0 ? 0 : Math.max(LEAST, (n / accepted) * 100)))
  const whole = Math.max(
    1,
    shares.reduce((sum, share) => sum + share, 0),
  )
  let x = 0
  return (
    <Track
      name="account-bar"
      bars={terms.map(({ id }, i) => {
        const width = ((shares[i] ?? 0) / whole) * (accepted === 0 ? 0 : 100)
        const left = x
        x += width
        return { name: id, left, width }
      })}
    />
  )
}
