import { useSignal } from '@preact/signals'
import { createToken, listTokens, revokeToken, type Token } from '../../api/directory.ts'
import { type Change, Field, FormEnd, useChange } from '../../parts/change.tsx'
import { Copyable } from '../../parts/copy.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { fieldsOf } from '../../parts/form.ts'
import { Heads } from '../../parts/heads.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Ago } from '../../parts/moment.tsx'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { useLoaded } from '../../state/load.ts'

const ROLES = [
  ['viewer', 'viewer: may look'],
  ['operator', 'operator: changes tenants and keys'],
  ['admin', 'admin: makes tokens too'],
  ['tenant', 'tenant: sees one tenant only'],
] as const

/** Who may sign in, and call the API. */
export function Tokens() {
  const round = useSignal(0)
  const question = useSignal<'new' | Token | null>(null)
  const loaded = useLoaded(`tokens ${round.value}`, listTokens, 30_000)
  const { value, error } = loaded.value
  const close = (): void => {
    question.value = null
    round.value++
  }
  return (
    <Panel
      title="Tokens of people and machines"
      tools={
        <button type="button" class="button small" onClick={() => (question.value = 'new')}>
          <Icon name="plus" /> New token
        </button>
      }
    >
      <Failure error={error} />
      {value === null || value.length === 0 ? (
        <Empty title={value === null ? '' : 'There is none but the configured one.'}>
          <p>
            Make one for each person and each machine: it names them in the log of changes, and ends by
            itself.
          </p>
        </Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Tokens">
          <TokenTable tokens={value} onRevoke={(token) => (question.value = token)} />
        </div>
      )}
      {question.value === null ? null : question.value === 'new' ? (
        <TokenDialog onClose={close} />
      ) : (
        <RevokeTokenDialog of={question.value} onClose={close} />
      )}
    </Panel>
  )
}

function TokenTable({
  tokens,
  onRevoke,
}: {
  readonly tokens: readonly Token[]
  readonly onRevoke: (token: Token) => void
}) {
  return (
    <table>
      <Heads of={['Name', 'Role', 'Tenant', 'Last used', 'Expires', ['', 'n']]} />
      <tbody>
        {tokens.map((token) => (
          <tr key={token.id}>
            <th scope="row">
              {token.name} <span class="soft mono">{token.id}</span>
            </th>
            <td>{token.role}</td>
            <td>{token.tenant ?? 'all'}</td>
            <td>
              <Ago at={token.lastUsedAt} />
            </td>
            <td>
              {token.expiresAt === null ? <span class="soft">never</span> : <Ago at={token.expiresAt} />}
            </td>
            <td class="n">
              <button
                type="button"
                class="button small"
                onClick={() => onRevoke(token)}
                aria-label={`Revoke ${token.name}`}
              >
                Revoke
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function TokenDialog({ onClose }: { readonly onClose: () => void }) {
  const [change, run] = useChange()
  const made = useSignal<string | null>(null)
  const submit = (event: SubmitEvent): void => {
    const field = fieldsOf(event)
    void run(async () => {
      const tenant = field('tenant') === '' ? null : field('tenant')
      const token = await createToken({
        name: field('name'),
        role: field('role'),
        tenant,
        expires: field('expires'),
      })
      made.value = token.token
    })
  }
  return (
    <Dialog title={made.value === null ? 'New token' : 'The new token'} onClose={onClose}>
      {made.value === null ? (
        <form class="form" onSubmit={submit}>
          <TokenFields change={change.value} />
          <FormEnd change={change.value} label="Make it" />
        </form>
      ) : (
        <div class="form">
          <p>
            <strong>Copy it now.</strong> It is stored nowhere and cannot be shown again.
          </p>
          <Copyable text={made.value} label="token" />
          <div class="form-end">
            <span />
            <button type="button" class="button primary" onClick={onClose}>
              I have it
            </button>
          </div>
        </div>
      )}
    </Dialog>
  )
}

function TokenFields({ change }: { readonly change: Change }) {
  const role = useSignal('viewer')
  return (
    <>
      <Field
        label="Name"
        name="name"
        change={change}
        hint="Who or what uses it: it stands beside each of its changes."
      >
        {(field) => <input {...field} required autocomplete="off" />}
      </Field>
      <Field label="Role" name="role" change={change}>
        {(field) => (
          <select
            {...field}
            value={role.value}
            onChange={({ currentTarget }) => (role.value = currentTarget.value)}
          >
            {ROLES.map(([value, label]) => (
              <option value={value} key={value}>
                {label}
              </option>
            ))}
          </select>
        )}
      </Field>
      {role.value === 'tenant' ? (
        <Field label="Tenant" name="tenant" change={change}>
          {(field) => <input {...field} required autocomplete="off" spellcheck={false} />}
        </Field>
      ) : null}
      <Field label="Expires in" name="expires" change={change} hint="A duration such as 90d.">
        {(field) => <input {...field} value="90d" required autocomplete="off" />}
      </Field>
    </>
  )
}

function RevokeTokenDialog({ of: token, onClose }: { readonly of: Token; readonly onClose: () => void }) {
  const [change, run] = useChange()
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    void run(async () => {
      await revokeToken(token.id)
      onClose()
    })
  }
  return (
    <Dialog title={`Revoke the token ${token.name}?`} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <p>
          What uses it is refused from then on, and sessions that were opened with it end. This is for good.
        </p>
        <FormEnd change={change.value} label="Revoke it" isDanger />
      </form>
    </Dialog>
  )
}
