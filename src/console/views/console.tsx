import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { Shell } from '../parts/shell.tsx'
import { Empty, Page } from '../parts/page.tsx'
import { startLive } from '../state/live.ts'
import { segments } from '../state/location.ts'
import { isOfTenant, session } from '../state/session.ts'
import { OverviewView } from './overview/overview.tsx'
import { RequestsView } from './requests/requests.tsx'
import { SignIn } from './sign-in.tsx'
import { DeliveriesView } from './deliveries/deliveries.tsx'
import { CompletenessView } from './completeness/completeness.tsx'
import { KeyView } from './keys/key.tsx'
import { KeysView } from './keys/keys.tsx'
import { PackagesView } from './packages/packages.tsx'
import { SystemView } from './system/system.tsx'
import { TailView } from './tail/tail.tsx'
import { TenantView } from './tenants/tenant.tsx'
import { TenantsView } from './tenants/tenants.tsx'

/** The views by the first segment of their address; the second names a thing. */
const VIEWS: Readonly<Record<string, (name: string | undefined) => ComponentChildren>> = {
  '': () => <OverviewView />,
  requests: () => <RequestsView />,
  tail: () => <TailView />,
  deliveries: () => <DeliveriesView />,
  packages: () => <PackagesView />,
  completeness: () => <CompletenessView />,
  tenants: (slug) => (slug === undefined ? <TenantsView /> : <TenantView key={slug} slug={slug} />),
  keys: (id) => (id === undefined ? <KeysView /> : <KeyView key={id} id={id} />),
  system: () => <SystemView />,
}

/** The console: the sign-in, or the view that the address names. */
export function Console() {
  const state = session.value
  if (state.kind === 'unknown') return null
  return state.kind === 'out' ? <SignIn problem={state.problem} /> : <SignedIn />
}

function SignedIn() {
  const isTenant = isOfTenant()
  useEffect(() => (isTenant ? undefined : startLive()), [isTenant])
  const [name = '', thing] = segments.value
  const view = Object.hasOwn(VIEWS, name) ? VIEWS[name] : undefined
  return <Shell current={name}>{view === undefined ? <NoView /> : view(thing)}</Shell>
}

function NoView() {
  return (
    <Page title="Nothing here">
      <Empty title="There is no view at this address.">
        <p>
          <a href="/">Go to the overview</a>
        </p>
      </Empty>
    </Page>
  )
}
