import { useSignal } from '@preact/signals'
import { getKey, type Key } from '../../api/directory.ts'
import { CopyAs } from '../../parts/copy.tsx'
import { Ago, Moment } from '../../parts/moment.tsx'
import { Failure, Page, Panel } from '../../parts/page.tsx'
import { TenantLink } from '../../parts/tenant-link.tsx'
import { useLoaded } from '../../state/load.ts'
import { may } from '../../state/session.ts'
import { KeyState, limitWords } from './key-words.tsx'
import { Receipts } from './receipts.tsx'
import { RevokeDialog, RotateDialog } from './key-dialogs.tsx'

/** One key: what it may, how it is used, and its end. */
export function KeyView({ id }: { readonly id: string }) {
  const round = useSignal(0)
  const question = useSignal<'rotate' | 'revoke' | null>(null)
  const loaded = useLoaded(`${id} ${round.value}`, (signal) => getKey(id, signal), 30_000)
  const { value: key, error } = loaded.value
  const close = (): void => {
    question.value = null
    round.value++
  }
  return (
    <Page
      title={key?.name ?? id}
      hint={key === null ? undefined : <KeyState of={key} />}
      tools={
        <>
          {key?.state === 'active' && may('operator') ? (
            <>
              <button type="button" class="button" onClick={() => (question.value = 'rotate')}>
                Rotate
              </button>
              <button type="button" class="button danger" onClick={() => (question.value = 'revoke')}>
                Revoke
              </button>
            </>
          ) : null}
          <CopyAs path={`/api/v1/keys/${encodeURIComponent(id)}`} cli={['keys', 'show', id]} />
        </>
      }
    >
      <Failure error={error} />
      {key === null ? null : (
        <div class="columns">
          <KeyFacts of={key} />
          {key.state === 'revoked' ? <Receipts key={key.id} id={key.id} /> : null}
        </div>
      )}
      {key !== null && question.value === 'rotate' ? <RotateDialog of={key} onClose={close} /> : null}
      {key !== null && question.value === 'revoke' ? <RevokeDialog of={key} onClose={close} /> : null}
    </Page>
  )
}

function KeyFacts({ of: key }: { readonly of: Key }) {
  return (
    <Panel title="Key" tools={<a href={`/requests?key=${key.id}&since=24h`}>Its requests</a>}>
      <dl class="pairs">
        <dt>Id</dt>
        <dd class="mono">{key.id}</dd>
        <dt>Tenant</dt>
        <dd>
          <TenantLink of={key.tenant} />
        </dd>
        <dt>Scopes</dt>
        <dd class="mono">{key.scopes.join(' ')}</dd>
        <dt>Networks</dt>
        <dd class="mono">{key.allowNetworks.length === 0 ? 'any' : key.allowNetworks.join(' ')}</dd>
        <dt>Limit</dt>
        <dd>{limitWords(key.rateLimit)}</dd>
        <dt>Last used</dt>
        <dd>
          <Ago at={key.lastUsedAt} />
        </dd>
        <dt>Made</dt>
        <dd>
          <Moment at={key.createdAt} />
        </dd>
        <dt>Expires</dt>
        <dd>{key.expiresAt === null ? 'never' : <Moment at={key.expiresAt} />}</dd>
        {key.revokedAt === null ? null : (
          <>
            <dt>Revoked</dt>
            <dd>
              <Moment at={key.revokedAt} />
            </dd>
          </>
        )}
        {key.rotatedTo === null ? null : (
          <>
            <dt>Successor</dt>
            <dd>
              <a href={`/keys/${key.rotatedTo}`}>{key.rotatedTo}</a>
            </dd>
          </>
        )}
      </dl>
    </Panel>
  )
}
