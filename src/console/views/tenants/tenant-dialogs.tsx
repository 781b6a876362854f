import { type Signal, useSignal } from '@preact/signals'
import {
  changeTenant,
  createTenant,
  setTenantState,
  type Tenant,
  type TenantSettings,
} from '../../api/directory.ts'
import { getMinutes } from '../../api/figures.ts'
import { type Change, Field, FormEnd, useChange } from '../../parts/change.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { fieldsOf } from '../../parts/form.ts'
import { useLoaded } from '../../state/load.ts'
import { navigate } from '../../state/location.ts'
import { count, several, words } from '../../words/format.ts'
import { refusedAtLeast } from '../../words/limit-preview.ts'
import { limitText, parseLimit } from '../keys/key-words.tsx'
import { badLimit } from '../keys/mint-dialog.tsx'

const POLICIES = ['best_effort', 'spill', 'strict'] as const

/** Creates a tenant, or changes the limits of one. */
export function TenantDialog({
  of: tenant,
  onClose,
}: {
  readonly of: Tenant | null
  readonly onClose: () => void
}) {
  const [change, run] = useChange()
  const rate = useSignal(limitText(tenant?.rateLimit ?? null))
  const submit = (event: SubmitEvent): void => {
    const field = fieldsOf(event)
    void run(async () => {
      const settings = settingsOf(field)
      if (tenant === null) {
        const { slug } = await createTenant(field('slug'), settings)
        navigate(`/tenants/${slug}`)
      } else await changeTenant(tenant.slug, settings, tenant.version)
      onClose()
    })
  }
  return (
    <Dialog title={tenant === null ? 'New tenant' : `Limits of ${tenant.slug}`} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        {tenant === null ? (
          <Field
            label="Name"
            name="slug"
            change={change.value}
            hint="a-z, 0-9 and -; it is never used twice."
          >
            {(field) => (
              <input
                {...field}
                required
                pattern="[a-z0-9][a-z0-9\-]{0,62}"
                autocomplete="off"
                spellcheck={false}
              />
            )}
          </Field>
        ) : null}
        <SettingFields of={tenant} change={change.value} rate={rate} />
        {tenant === null ? null : <LimitPreview of={tenant} rate={rate.value} />}
        <FormEnd change={change.value} label={tenant === null ? 'Create' : 'Change on every gateway'} />
      </form>
    </Dialog>
  )
}

function settingsOf(field: (name: string) => string): Partial<TenantSettings> {
  const rateLimit = parseLimit(field('rateLimit'))
  if (rateLimit === undefined) throw badLimit()
  const maxConcurrency = field('maxConcurrency') === '' ? null : Number(field('maxConcurrency'))
  return { rateLimit, maxConcurrency, logPolicy: field('logPolicy') }
}

/** What the rate that is typed would have refused of the last day. */
function LimitPreview({ of: tenant, rate }: { readonly of: Tenant; readonly rate: string }) {
  const loaded = useLoaded(tenant.slug, (signal) => getMinutes(tenant.slug, signal))
  const limit = parseLimit(rate.trim())
  const minutes = loaded.value.value ?? []
  const all = minutes.reduce((sum, { requests }) => sum + requests, 0)
  const n = limit === undefined || limit === null ? 0 : refusedAtLeast(minutes, limit)
  return (
    <p class={n > 0 ? 'warn' : 'hint'} role="status">
      {limit === undefined || limit === null || loaded.value.value === null
        ? ''
        : `One gateway with this rate would have refused ${n === 0 ? 'none, by the minute,' : `at least ${count(n)}`} of the ${several(all, 'request')} of the last 24 hours.`}
    </p>
  )
}

interface SettingFieldsProps {
  readonly of: Tenant | null
  readonly change: Change
  /** The rate as it is typed. */
  readonly rate: Signal<string>
}

function SettingFields({ of: tenant, change, rate }: SettingFieldsProps) {
  return (
    <>
      <div class="two">
        <Field
          label="Requests per second"
          name="rateLimit"
          change={change}
          hint="5, or 5:20 with a burst. Empty means no limit."
        >
          {(field) => (
            <input
              {...field}
              value={rate.value}
              onInput={({ currentTarget }) => (rate.value = currentTarget.value)}
              autocomplete="off"
              inputMode="decimal"
            />
          )}
        </Field>
        <Field label="Requests at once" name="maxConcurrency" change={change} hint="Empty means no limit.">
          {(field) => (
            <input
              {...field}
              value={tenant?.maxConcurrency ?? ''}
              autocomplete="off"
              inputMode="numeric"
              pattern="[0-9]*"
            />
          )}
        </Field>
      </div>
      <Field
        label="When the access log has no room"
        name="logPolicy"
        change={change}
        hint="Strict refuses requests that could not be recorded; best effort lets them pass and counts them."
      >
        {(field) => (
          <select {...field} value={tenant?.logPolicy ?? 'spill'}>
            {POLICIES.map((policy) => (
              <option value={policy} key={policy}>
                {words(policy)}
              </option>
            ))}
          </select>
        )}
      </Field>
    </>
  )
}

/** Suspends a tenant, or ends that. */
export function SuspendDialog({
  of: tenant,
  onClose,
}: {
  readonly of: Tenant
  readonly onClose: () => void
}) {
  const [change, run] = useChange()
  const isActive = tenant.state === 'active'
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    void run(async () => {
      await setTenantState(tenant.slug, isActive ? 'suspend' : 'resume')
      onClose()
    })
  }
  return (
    <Dialog title={`${isActive ? 'Suspend' : 'Resume'} ${tenant.slug}?`} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <p>
          {isActive
            ? 'Every request of its keys is refused with 401 on every gateway, until it is resumed. Its keys stay.'
            : 'Its keys work again on every gateway.'}
        </p>
        <FormEnd change={change.value} label={isActive ? 'Suspend it' : 'Resume it'} isDanger={isActive} />
      </form>
    </Dialog>
  )
}
