import { CopyAs } from '../../parts/copy.tsx'
import { Page } from '../../parts/page.tsx'
import { RangePicker } from '../../parts/range-picker.tsx'
import { overview, staleMs } from '../../state/live.ts'
import { query } from '../../state/location.ts'
import { isOfTenant } from '../../state/session.ts'
import { readRange } from '../../words/filter.ts'
import { TopPackages } from '../packages/top-packages.tsx'
import { Account } from './account.tsx'
import { Failures } from './failures.tsx'
import { Latencies } from './latencies.tsx'
import { Now } from './now.tsx'
import { Outcomes } from './outcomes.tsx'
import { Traffic } from './traffic.tsx'
import { Workers } from './workers.tsx'
import { Usage } from './usage.tsx'

const DEFAULT = { since: '24h', until: '' }

/** Packages of the list. */
const MAX_PACKAGES = 8

/** What is going on, and whether anything is lost. */
export function OverviewView() {
  const range = readRange(query.value, DEFAULT)
  return (
    <Page
      title="Overview"
      tools={
        <>
          <RangePicker range={range} />
          <CopyAs path="/api/v1/overview" />
        </>
      }
    >
      {overview.value === null && !isOfTenant() ? null : (
        <div class={staleMs.value === null ? 'overview' : 'overview stale'}>
          {overview.value === null ? null : (
            <>
              <Now overview={overview.value} />
              <Account overview={overview.value} />
            </>
          )}
          <Traffic range={range} />
          <div class="columns">
            <Usage range={range} by="tenant" />
            <Usage range={range} by="route" />
          </div>
          <div class="columns">
            <Failures range={range} only="failed" />
            <Failures range={range} only="refused" />
          </div>
          {overview.value === null ? null : (
            <div class="columns">
              <Latencies range={range} by="route" />
              <Latencies range={range} by="tenant" />
              <TopPackages range={range} limit={MAX_PACKAGES} />
              <Outcomes overview={overview.value} />
              <Workers overview={overview.value} hasLink />
            </div>
          )}
        </div>
      )}
    </Page>
  )
}
