import { useSignal } from '@preact/signals'
import { getTenant, listKeys, type Tenant } from '../../api/directory.ts'
import { CopyAs } from '../../parts/copy.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Moment } from '../../parts/moment.tsx'
import { Failure, Page, Panel } from '../../parts/page.tsx'
import { RangePicker } from '../../parts/range-picker.tsx'
import { useLoaded } from '../../state/load.ts'
import { query } from '../../state/location.ts'
import { may } from '../../state/session.ts'
import { readRange, searchOf } from '../../words/filter.ts'
import { count, words } from '../../words/format.ts'
import { KeyTable } from '../keys/keys.tsx'
import { limitWords } from '../keys/key-words.tsx'
import { MintDialog } from '../keys/mint-dialog.tsx'
import { Changes } from '../system/changes.tsx'
import { Usage } from '../overview/usage.tsx'
import { SuspendDialog, TenantDialog } from './tenant-dialogs.tsx'
import { TenantState } from './tenant-state.tsx'

const DEFAULT = { since: '24h', until: '' }

type Question = 'limits' | 'suspend' | 'mint'

/** One tenant: limits beside use, and its keys. */
export function TenantView({ slug }: { readonly slug: string }) {
  const range = readRange(query.value, DEFAULT)
  const round = useSignal(0)
  const question = useSignal<Question | null>(null)
  const loaded = useLoaded(`${slug} ${round.value}`, (signal) => getTenant(slug, signal), 30_000)
  const keys = useLoaded(
    `${slug} ${round.value}`,
    (signal) => listKeys({ tenant: slug, isAll: true }, signal),
    30_000,
  )
  const { value: tenant, error } = loaded.value
  const close = (): void => {
    question.value = null
    round.value++
  }
  return (
    <Page
      title={slug}
      hint={tenant === null ? undefined : <TenantState state={tenant.state} />}
      tools={
        <>
          {tenant !== null && tenant.state !== 'deleted' && may('operator') ? (
            <Actions of={tenant} onAsk={(which) => (question.value = which)} />
          ) : null}
          <RangePicker range={range} />
          <CopyAs path={`/api/v1/tenants/${encodeURIComponent(slug)}`} cli={['tenants', 'show', slug]} />
        </>
      }
    >
      <Failure error={error ?? keys.value.error} />
      {tenant === null ? null : (
        <div class="stack">
          <div class="columns">
            <TenantFacts of={tenant} searchPath={`/requests?${searchOf({ tenant: [slug] }, range)}`} />
            <Usage range={range} by="route" tenant={slug} />
          </div>
          <KeyTable title="Keys" keys={keys.value.value ?? []} />
          <Changes tenant={slug} />
        </div>
      )}
      {tenant === null || question.value === null ? null : (
        <Questions of={tenant} question={question.value} onClose={close} />
      )}
    </Page>
  )
}

function Actions({
  of: tenant,
  onAsk,
}: {
  readonly of: Tenant
  readonly onAsk: (question: Question) => void
}) {
  return (
    <>
      <button type="button" class="button primary" onClick={() => onAsk('mint')}>
        <Icon name="plus" /> Mint a key
      </button>
      <button type="button" class="button" onClick={() => onAsk('limits')}>
        Change limits
      </button>
      <button
        type="button"
        class={tenant.state === 'active' ? 'button danger' : 'button'}
        onClick={() => onAsk('suspend')}
      >
        {tenant.state === 'active' ? 'Suspend' : 'Resume'}
      </button>
    </>
  )
}

interface QuestionsProps {
  readonly of: Tenant
  readonly question: Question
  readonly onClose: () => void
}

function Questions({ of: tenant, question, onClose }: QuestionsProps) {
  if (question === 'limits') return <TenantDialog of={tenant} onClose={onClose} />
  if (question === 'suspend') return <SuspendDialog of={tenant} onClose={onClose} />
  return <MintDialog tenant={tenant.slug} onClose={onClose} />
}

function TenantFacts({ of: tenant, searchPath }: { readonly of: Tenant; readonly searchPath: string }) {
  const rates = Object.entries(tenant.routeRateLimits)
  return (
    <Panel title="Limits" tools={<a href={searchPath}>Its requests</a>}>
      <dl class="pairs">
        <dt>Rate</dt>
        <dd>{limitWords(tenant.rateLimit)}</dd>
        {rates.map(([route, rate]) => (
          <>
            <dt>On {route}</dt>
            <dd>{limitWords(rate)}</dd>
          </>
        ))}
        <dt>Requests at once</dt>
        <dd>{tenant.maxConcurrency === null ? 'no limit' : count(tenant.maxConcurrency)}</dd>
        <dt>Log policy</dt>
        <dd>{words(tenant.logPolicy)}</dd>
        <dt>Refused by a limit</dt>
        <dd>
          <a href={`${searchPath}&outcome=rate_limited`}>Show them</a>
        </dd>
        <dt>Created</dt>
        <dd>
          <Moment at={tenant.createdAt} />
        </dd>
        <dt>Changed</dt>
        <dd>
          <Moment at={tenant.updatedAt} />, version {tenant.version}
        </dd>
      </dl>
    </Panel>
  )
}
