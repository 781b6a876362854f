import { useSignal } from '@preact/signals'
import { type Key, listKeys } from '../../api/directory.ts'
import { gatewayNow } from '../../api/gateway-clock.ts'
import { Heads } from '../../parts/heads.tsx'
import { CopyAs } from '../../parts/copy.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Ago } from '../../parts/moment.tsx'
import { Empty, Failure, Page, Panel } from '../../parts/page.tsx'
import { TenantLink } from '../../parts/tenant-link.tsx'
import { useLoaded } from '../../state/load.ts'
import { query, setQuery } from '../../state/location.ts'
import { may } from '../../state/session.ts'
import { count, several } from '../../words/format.ts'
import { KeyState, limitWords } from './key-words.tsx'
import { MintDialog } from './mint-dialog.tsx'

const DAY_MS = 86_400_000
const SOON_DAYS = 14
const UNUSED_DAYS = 90

type Choice = readonly [name: string, label: string, fits: (key: Key, nowMs: number) => boolean]

const isActive = (key: Key): boolean => key.state === 'active'
const usedMs = ({ lastUsedAt }: Key): number | null => (lastUsedAt === null ? null : Date.parse(lastUsedAt))

/** The questions that are asked of all keys. */
const CHOICES: readonly Choice[] = [
  ['active', 'Active', isActive],
  [
    'expiring',
    `Expire in ${SOON_DAYS} days`,
    (key, nowMs) =>
      isActive(key) && key.expiresAt !== null && Date.parse(key.expiresAt) - nowMs < SOON_DAYS * DAY_MS,
  ],
  [
    'unused',
    `Unused for ${UNUSED_DAYS} days`,
    (key, nowMs) =>
      isActive(key) && nowMs - (usedMs(key) ?? Date.parse(key.createdAt)) > UNUSED_DAYS * DAY_MS,
  ],
  ['never', 'Never used', (key) => isActive(key) && key.lastUsedAt === null],
  ['ended', 'Expired or revoked', (key) => !isActive(key)],
  ['all', 'All', () => true],
]

/** All keys, by what is asked of them. */
export function KeysView() {
  const tenant = query.value.get('tenant')
  const round = useSignal(0)
  const loaded = useLoaded(`${tenant} ${round.value}`, (signal) =>
    listKeys({ isAll: true, ...(tenant === null ? {} : { tenant }) }, signal),
  )
  const isMinting = useSignal(false)
  const { value, error } = loaded.value
  const chosen = CHOICES.find(([name]) => name === query.value.get('show')) ?? CHOICES[0]
  const keys = value ?? []
  const nowMs = gatewayNow().getTime()
  return (
    <Page
      title="Keys"
      hint={tenant === null ? undefined : `of ${tenant}`}
      tools={
        <>
          {may('operator') ? (
            <button type="button" class="button primary" onClick={() => (isMinting.value = true)}>
              <Icon name="plus" /> Mint a key
            </button>
          ) : null}
          <CopyAs
            path={`/api/v1/keys?inactive=true${tenant === null ? '' : `&tenant=${encodeURIComponent(tenant)}`}`}
            cli={['keys', 'list', '--all']}
            flags={[['--tenant', tenant]]}
          />
        </>
      }
    >
      <Failure error={error} />
      <div class="tabs" role="group" aria-label="Which keys">
        {CHOICES.map(([name, label, fits]) => (
          <button
            key={name}
            type="button"
            class="tab"
            aria-pressed={name === chosen?.[0]}
            onClick={() => setQuery({ show: name === 'active' ? null : name })}
          >
            {label}{' '}
            <span class="soft">
              {value === null ? '' : count(keys.filter((key) => fits(key, nowMs)).length)}
            </span>
          </button>
        ))}
      </div>
      {value === null ? null : (
        <KeyTable
          title={chosen?.[1] ?? 'Keys'}
          keys={keys.filter((key) => chosen?.[2](key, nowMs) ?? true)}
        />
      )}
      {isMinting.value ? (
        <MintDialog
          tenant={tenant ?? ''}
          onClose={() => {
            isMinting.value = false
            round.value++
          }}
        />
      ) : null}
    </Page>
  )
}

/** Keys drawn at once; a search by tenant shows the others. */
const MAX_SHOWN = 500

export function KeyTable({ title, keys }: { readonly title: string; readonly keys: readonly Key[] }) {
  const rest = keys.length - MAX_SHOWN
  return (
    <Panel
      title={title}
      hint={rest > 0 ? `and ${several(rest, 'other')}: open a tenant to see its own` : undefined}
    >
      {keys.length === 0 ? (
        <Empty title="No such key.">
          <p>
            {may('operator')
              ? 'Mint one above: it is shown once, with what makes a client use it.'
              : 'Who signs in with the role operator can mint one.'}
          </p>
        </Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label={title}>
          <table>
            <Heads of={['Key', 'Id', 'Tenant', 'State', 'Scopes', 'Limit', 'Last used', 'Expires', 'Made']} />
            <tbody>
              {keys.slice(0, MAX_SHOWN).map((key) => (
                <KeyRow key={key.id} of={key} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}

function KeyRow({ of: key }: { readonly of: Key }) {
  return (
    <tr>
      <th scope="row">
        <a href={`/keys/${key.id}`}>{key.name ?? key.id}</a>
      </th>
      <td class="mono soft">{key.id}</td>
      <td>
        <TenantLink of={key.tenant} />
      </td>
      <td>
        <KeyState of={key} />
      </td>
      <td class="mono">{key.scopes.join(' ')}</td>
      <td>{limitWords(key.rateLimit)}</td>
      <td>
        <Ago at={key.lastUsedAt} />
      </td>
      <td>{key.expiresAt === null ? <span class="soft">never</span> : <Ago at={key.expiresAt} />}</td>
      <td>
        <Ago at={key.createdAt} />
      </td>
    </tr>
  )
}
