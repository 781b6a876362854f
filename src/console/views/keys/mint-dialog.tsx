import { useSignal } from '@preact/signals'
import { ApiError } from '../../api/client.ts'
import { listTenants, type MintedKey, mintKey } from '../../api/directory.ts'
import { type Change, Field, FormEnd, useChange } from '../../parts/change.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { fieldsOf } from '../../parts/form.ts'
import { useLoaded } from '../../state/load.ts'
import { parseLimit } from './key-words.tsx'
import { MintedPart } from './minted.tsx'

const EXPIRIES = [
  ['30d', 'in 30 days'],
  ['90d', 'in 90 days'],
  ['365d', 'in a year'],
  ['', 'never'],
] as const

const lines = (text: string): readonly string[] => text.split(/[\s,]+/).filter((line) => line !== '')

/** Makes a key, and shows it once. */
export function MintDialog({ tenant, onClose }: { readonly tenant: string; readonly onClose: () => void }) {
  const [change, run] = useChange()
  const minted = useSignal<MintedKey | null>(null)
  const submit = (event: SubmitEvent): void => {
    const field = fieldsOf(event)
    void run(async () => {
      const rateLimit = parseLimit(field('rateLimit'))
      if (rateLimit === undefined) throw badLimit()
      minted.value = await mintKey({
        tenant: field('tenant'),
        name: field('name') === '' ? null : field('name'),
        scopes: lines(field('scopes')),
        allowNetworks: lines(field('allowNetworks')),
        rateLimit,
        expires: field('expires') === '' ? null : field('expires'),
      })
    })
  }
  return (
    <Dialog title={minted.value === null ? 'Mint a key' : 'The new key'} onClose={onClose}>
      {minted.value === null ? (
        <form class="form" onSubmit={submit}>
          <MintFields tenant={tenant} change={change.value} />
          <FormEnd change={change.value} label="Mint" />
        </form>
      ) : (
        <MintedPart minted={minted.value} onDone={onClose} />
      )}
    </Dialog>
  )
}

/** What a rate that cannot be read is answered with, as if by the API. */
export function badLimit(): ApiError {
  return new ApiError(400, 'Not a rate', {
    fields: [{ field: 'rateLimit', detail: 'a number such as 5, or 5:20 with a burst' }],
  })
}

function MintFields({ tenant, change }: { readonly tenant: string; readonly change: Change }) {
  const tenants = useLoaded('tenants', listTenants)
  return (
    <>
      <Field label="Tenant" name="tenant" change={change}>
        {(field) => (
          <>
            <input
              {...field}
              value={tenant}
              list="tenant-names"
              required
              autocomplete="off"
              spellcheck={false}
            />
            <datalist id="tenant-names">
              {(tenants.value.value ?? []).map(({ slug }) => (
                <option value={slug} key={slug} />
              ))}
            </datalist>
          </>
        )}
      </Field>
      <Field label="Name" name="name" change={change} hint="For listings: what or who will use it.">
        {(field) => <input {...field} autocomplete="off" />}
      </Field>
      <Field
        label="Scopes"
        name="scopes"
        change={change}
        hint="route:read or route:write, * for any; several apart by spaces."
      >
        {(field) => (
          <input {...field} value="*:read" required autocomplete="off" spellcheck={false} class="mono" />
        )}
      </Field>
      <Field
        label="Networks"
        name="allowNetworks"
        change={change}
        hint="From where it may be used, such as 10.0.0.0/8. Empty means from anywhere."
      >
        {(field) => <input {...field} autocomplete="off" spellcheck={false} class="mono" />}
      </Field>
      <div class="two">
        <Field
          label="Requests per second"
          name="rateLimit"
          change={change}
          hint="5, or 5:20 with a burst. Empty means no limit."
        >
          {(field) => <input {...field} autocomplete="off" inputMode="decimal" />}
        </Field>
        <Field label="Expires" name="expires" change={change}>
          {(field) => (
            <select {...field} value="90d">
              {EXPIRIES.map(([value, label]) => (
                <option value={value} key={value}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
    </>
  )
}
