import { useSignal } from '@preact/signals'
import {
  dropQuarantined,
  listQuarantine,
  type Quarantined,
  type QuarantineResult,
  retryQuarantined,
} from '../../api/quarantine.ts'
import { FormEnd, useChange } from '../../parts/change.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Heads } from '../../parts/heads.tsx'
import { type OnSettled, useSettled } from '../../parts/in-turn.tsx'
import { Ago } from '../../parts/moment.tsx'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { TenantLink } from '../../parts/tenant-link.tsx'
import { useLoaded } from '../../state/load.ts'
import { may } from '../../state/session.ts'
import { several, words } from '../../words/format.ts'

const POLL_MS = 30_000
/** Entries drawn: the command line has all of them. */
const MAX_SHOWN = 100

interface Question {
  readonly what: 'retry' | 'drop'
  readonly of: Quarantined
}

/** Entries that PostgreSQL refused, to store again once the cause is mended, or to give up. */
export function Quarantine({ onSettled }: { readonly onSettled?: OnSettled }) {
  const round = useSignal(0)
  const question = useSignal<Question | null>(null)
  const loaded = useLoaded(`quarantine ${round.value}`, listQuarantine, POLL_MS)
  useSettled(loaded, onSettled)
  const { value, error } = loaded.value
  const close = (): void => {
    question.value = null
    round.value++
  }
  return (
    <Panel title="Quarantine" hint="entries that PostgreSQL refused">
      <Failure error={error} />
      {value === null ? (
        <div class="waiting" />
      ) : value.length === 0 ? (
        <Empty title="Nothing is in quarantine." />
      ) : (
        <Table entries={value} onAsk={(asked) => (question.value = asked)} />
      )}
      {question.value === null ? null : <Answer question={question.value} onClose={close} />}
    </Panel>
  )
}

interface TableProps {
  readonly entries: readonly Quarantined[]
  readonly onAsk: (question: Question) => void
}

function Table({ entries, onAsk }: TableProps) {
  const rest = entries.length - MAX_SHOWN
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Quarantine">
      <table>
        <Heads of={['Entry', 'Tenant', 'Since', 'Refused as', 'Because', ['', 'n']]} />
        <tbody>
          {entries.slice(0, MAX_SHOWN).map((entry) => (
            <tr key={entry.id}>
              <th scope="row">{entry.id}</th>
              <td>
                <TenantLink of={entry.tenant} />
              </td>
              <td>
                <Ago at={entry.quarantinedAt} />
              </td>
              <td class="mono">{entry.code}</td>
              <td class="wrap">{entry.detail ?? '–'}</td>
              <td class="n">
                {may('operator') ? <Ask what="retry" of={entry} onAsk={onAsk} /> : null}{' '}
                {may('admin') ? <Ask what="drop" of={entry} onAsk={onAsk} /> : null}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rest > 0 ? <p class="hint note">and {several(rest, 'other')}: see `waybill quarantine`</p> : null}
    </div>
  )
}

const LABELS = { retry: 'Store again', drop: 'Give up' } as const

function Ask({ what, of: entry, onAsk }: Question & Pick<TableProps, 'onAsk'>) {
  return (
    <button
      type="button"
      class="button small"
      onClick={() => onAsk({ what, of: entry })}
      aria-label={`${LABELS[what]}: entry ${entry.id}`}
    >
      {LABELS[what]}
    </button>
  )
}

const WARNINGS = {
  retry:
    'It is stored exactly once, however often it is asked. PostgreSQL refuses it again while the cause stands.',
  drop: 'Audits count it as dropped from then on. This is for good.',
} as const

function Answer({ question, onClose }: { readonly question: Question; readonly onClose: () => void }) {
  const { what, of: entry } = question
  const [change, run] = useChange()
  const result = useSignal<QuarantineResult | null>(null)
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    if (result.value !== null) return onClose()
    void run(async () => {
      result.value = await (what === 'retry' ? retryQuarantined(entry.id) : dropQuarantined(entry.id))
    })
  }
  return (
    <Dialog title={`${LABELS[what]}: entry ${entry.id}?`} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <p role="status">
          {result.value === null
            ? WARNINGS[what]
            : `It is ${words(result.value.state)}${result.value.detail === undefined ? '' : `: ${result.value.detail}`}.`}
        </p>
        <FormEnd
          change={change.value}
          label={result.value === null ? LABELS[what] : 'Close'}
          isDanger={what === 'drop' && result.value === null}
        />
      </form>
    </Dialog>
  )
}
