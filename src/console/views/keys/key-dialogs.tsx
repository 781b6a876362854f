import { useSignal } from '@preact/signals'
import { type Key, type MintedKey, revokeKey, rotateKey } from '../../api/directory.ts'
import { Field, FormEnd, useChange } from '../../parts/change.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { fieldsOf } from '../../parts/form.ts'
import { Ago } from '../../parts/moment.tsx'
import { MintedPart } from './minted.tsx'
import { Receipts } from './receipts.tsx'

interface KeyDialogProps {
  readonly of: Key
  readonly onClose: () => void
}

const OVERLAPS = [
  ['1h', 'one hour'],
  ['24h', 'a day'],
  ['7d', 'a week'],
  ['30d', '30 days'],
] as const

/** Makes a successor; the old key goes on for a while. */
export function RotateDialog({ of: key, onClose }: KeyDialogProps) {
  const [change, run] = useChange()
  const minted = useSignal<MintedKey | null>(null)
  const submit = (event: SubmitEvent): void => {
    const field = fieldsOf(event)
    void run(async () => {
      minted.value = await rotateKey(key.id, field('overlap'))
    })
  }
  return (
    <Dialog
      title={minted.value === null ? `Rotate ${key.name ?? key.id}` : 'The successor'}
      onClose={onClose}
    >
      {minted.value === null ? (
        <form class="form" onSubmit={submit}>
          <p>The successor has the same rights. Both work until the old one ends.</p>
          <Field label="The old key goes on working for" name="overlap" change={change.value}>
            {(field) => (
              <select {...field} value="24h">
                {OVERLAPS.map(([value, label]) => (
                  <option value={value} key={value}>
                    {label}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <FormEnd change={change.value} label="Rotate" />
        </form>
      ) : (
        <MintedPart minted={minted.value} onDone={onClose} />
      )}
    </Dialog>
  )
}

/** Ends a key for good, and shows how each gateway comes to know it. */
export function RevokeDialog({ of: key, onClose }: KeyDialogProps) {
  const [change, run] = useChange()
  const isDone = useSignal(false)
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    void run(async () => {
      await revokeKey(key.id)
      isDone.value = true
    })
  }
  return (
    <Dialog title={isDone.value ? 'Revoked' : `Revoke ${key.name ?? key.id}?`} onClose={onClose}>
      {isDone.value ? (
        <div class="form">
          <Receipts key={key.id} id={key.id} />
          <div class="form-end">
            <span />
            <button type="button" class="button primary" onClick={onClose}>
              Done
            </button>
          </div>
        </div>
      ) : (
        <form class="form" onSubmit={submit}>
          <p>
            Every request with it is refused from then on, on every gateway. This is for good; to replace a
            key without a gap, rotate it.
          </p>
          <p>
            Tenant <strong>{key.tenant}</strong>, last used <Ago at={key.lastUsedAt} />.
          </p>
          <FormEnd change={change.value} label="Revoke it" isDanger />
        </form>
      )}
    </Dialog>
  )
}
