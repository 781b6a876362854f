import { useSignal } from '@preact/signals'
import { listTenants, type Tenant } from '../../api/directory.ts'
import { getTenantSeries, type Series } from '../../api/figures.ts'
import { getUsage, type UsageSum } from '../../api/usage.ts'
import { Heads } from '../../parts/heads.tsx'
import { CopyAs } from '../../parts/copy.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Meter, Spark } from '../../parts/meter.tsx'
import { Empty, Failure, Page, Panel } from '../../parts/page.tsx'
import { RangePicker } from '../../parts/range-picker.tsx'
import { TenantLink } from '../../parts/tenant-link.tsx'
import { useLoaded } from '../../state/load.ts'
import { query } from '../../state/location.ts'
import { may } from '../../state/session.ts'
import { type Range, readRange, searchOf } from '../../words/filter.ts'
import { bytes, count, several, words } from '../../words/format.ts'
import { limitWords } from '../keys/key-words.tsx'
import { rowOf } from '../../words/stack.ts'
import { TenantState } from './tenant-state.tsx'
import { TenantDialog } from './tenant-dialogs.tsx'

const DEFAULT = { since: '24h', until: '' }
const MAX_SHOWN = 500

/** Every tenant with its limits and what it used. */
export function TenantsView() {
  const range = readRange(query.value, DEFAULT)
  const loaded = useLoaded('tenants', listTenants, 30_000)
  const usage = useLoaded(
    `${range.since} ${range.until}`,
    (signal) => getUsage('tenant', range, signal),
    30_000,
  )
  const series = useLoaded(`${range.since} ${range.until}`, (signal) => getTenantSeries(range, signal))
  const isCreating = useSignal(false)
  const { value, error } = loaded.value
  return (
    <Page
      title="Tenants"
      tools={
        <>
          {may('operator') ? (
            <button type="button" class="button primary" onClick={() => (isCreating.value = true)}>
              <Icon name="plus" /> New tenant
            </button>
          ) : null}
          <RangePicker range={range} />
          <CopyAs path="/api/v1/tenants" cli={['tenants', 'list']} />
        </>
      }
    >
      <Failure error={error ?? usage.value.error} />
      {value === null ? null : (
        <TenantTable
          tenants={value}
          usage={usage.value.value ?? []}
          series={series.value.value}
          range={range}
        />
      )}
      {isCreating.value ? <TenantDialog of={null} onClose={() => (isCreating.value = false)} /> : null}
    </Page>
  )
}

interface TenantTableProps {
  readonly tenants: readonly Tenant[]
  readonly usage: readonly UsageSum[]
  /** Null while it is not known, or is too much to be had. */
  readonly series: Series | null
  readonly range: Range
}

function TenantTable({ tenants, usage, series, range }: TenantTableProps) {
  const used = new Map(usage.map((sum) => [sum.name, sum]))
  const ofAll = (slug: string): number => (used.get(slug)?.requests ?? 0) + (used.get(slug)?.refused ?? 0)
  const most = Math.max(1, ...tenants.map(({ slug }) => ofAll(slug)))
  const sorted = tenants.toSorted((a, b) => ofAll(b.slug) - ofAll(a.slug))
  const rows = sparksOf(series)
  const rest = sorted.length - MAX_SHOWN
  if (tenants.length === 0)
    return (
      <Panel title="Tenants">
        <Empty title="There is no tenant yet.">
          <p>
            {may('operator')
              ? 'Create one above, then mint a key for it.'
              : 'Who signs in with the role operator can create one.'}
          </p>
        </Empty>
      </Panel>
    )
  return (
    <Panel
      title={several(tenants.length, 'tenant')}
      hint={rest > 0 ? `the ${count(MAX_SHOWN)} most active` : 'most active first'}
    >
      <div class="scroll" tabIndex={0} role="group" aria-label="Tenants">
        <table>
          <Heads
            of={[
              'Tenant',
              'State',
              'Rate',
              ['At once', 'n'],
              'Log policy',
              ['Served', 'n'],
              ['Refused', 'n'],
              ['Sent', 'n'],
              ['', 'meter-cell'],
              ['', 'spark-cell'],
            ]}
          />
          <tbody>
            {sorted.slice(0, MAX_SHOWN).map((tenant) => (
              <TenantRow
                key={tenant.slug}
                of={tenant}
                used={used.get(tenant.slug)}
                most={most}
                row={rows.get(tenant.slug)}
                range={range}
              />
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}

interface TenantRowProps {
  readonly of: Tenant
  readonly used: UsageSum | undefined
  readonly most: number
  /** Requests over time. */
  readonly row: readonly number[] | undefined
  readonly range: Range
}

function TenantRow({ of: tenant, used, most, row, range }: TenantRowProps) {
  const { requests = 0, refused = 0, bytesSent = 0 } = used ?? {}
  return (
    <tr>
      <th scope="row">
        <TenantLink of={tenant.slug} />
      </th>
      <td>
        <TenantState state={tenant.state} />
      </td>
      <td>{limitWords(tenant.rateLimit)}</td>
      <td class="n">{tenant.maxConcurrency === null ? 'no limit' : count(tenant.maxConcurrency)}</td>
      <td>{words(tenant.logPolicy)}</td>
      <td class="n">
        <a href={`/requests?${searchOf({ tenant: [tenant.slug] }, range)}`}>{count(requests)}</a>
      </td>
      <td class={refused > 0 ? 'n warn' : 'n'}>{count(refused)}</td>
      <td class="n">{bytes(bytesSent)}</td>
      <td class="meter-cell">
        <Meter part={requests + refused} whole={most} />
      </td>
      <td class="spark-cell">
        {row === undefined ? null : <Spark values={row} label={`Requests of ${tenant.slug} over time`} />}
      </td>
    </tr>
  )
}

/** The rows of requests over time, by tenant. */
function sparksOf(series: Series | null): ReadonlyMap<string, readonly number[]> {
  if (series === null) return new Map()
  const { since, until, stepMinutes } = series
  const columns = { since: new Date(since), until: new Date(until), stepMs: (stepMinutes ?? 1) * 60_000 }
  const points = new Map<string, Series['points'][number][]>()
  for (const point of series.points) {
    const slug = point.key ?? ''
    const known = points.get(slug)
    if (known === undefined) points.set(slug, [point])
    else known.push(point)
  }
  return new Map([...points].map(([slug, of]) => [slug, rowOf(of, columns)]))
}
