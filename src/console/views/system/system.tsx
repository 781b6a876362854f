import type { Instance } from '../../api/audit.ts'
import { getAudit } from '../../api/audit.ts'
import type { Overview } from '../../api/overview.ts'
import { CopyAs } from '../../parts/copy.tsx'
import { Meter } from '../../parts/meter.tsx'
import { Ago } from '../../parts/moment.tsx'
import { Mark } from '../../parts/outcome.tsx'
import { Empty, Failure, Page, Panel } from '../../parts/page.tsx'
import { useLoaded } from '../../state/load.ts'
import { overview } from '../../state/live.ts'
import { may } from '../../state/session.ts'
import { bytes, count, duration, words } from '../../words/format.ts'
import { Workers } from '../overview/workers.tsx'
import { Tokens } from './tokens.tsx'

const HOUR_MS = 3_600_000
const POLL_MS = 15_000

/** Gateways and workers, their queues, who may sign in. */
export function SystemView() {
  return (
    <Page title="System" tools={<CopyAs path="/api/v1/overview" cli="audit" flags={[['--since', '1h']]} />}>
      <div class="stack">
        {overview.value === null ? null : (
          <div class="columns">
            <Workers overview={overview.value} hasLink={false} />
            <Queues overview={overview.value} />
          </div>
        )}
        <Gateways />
        {may('admin') ? <Tokens /> : null}
      </div>
    </Page>
  )
}

/** What waits, of what may wait. */
function Queues({ overview: { accessLog: log, limits } }: { readonly overview: Overview }) {
  const refusals = Object.entries(limits.refusals).filter(([, n]) => n > 0)
  return (
    <Panel title="Queues and limits" tools={<a href="/metrics">All metrics</a>}>
      <dl class="pairs">
        <dt>Entries in memory</dt>
        <dd>
          {count(log.channelEntries)} of {count(log.capacityEntries)}
          <Meter part={log.channelEntries} whole={log.capacityEntries} />
        </dd>
        <dt>Memory of these</dt>
        <dd>
          {bytes(log.channelBytes)} of {bytes(log.capacityBytes)}
          <Meter part={log.channelBytes} whole={log.capacityBytes} />
        </dd>
        <dt>On disk</dt>
        <dd>
          {log.pendingReplay === null
            ? 'no spill is configured'
            : `${count(log.pendingReplay)} entries wait to be stored`}
        </dd>
        <dt>Oldest not stored</dt>
        <dd>{log.oldestUnflushedAgeMs === 0 ? 'none' : duration(log.oldestUnflushedAgeMs)}</dd>
        <dt>Batches failed in a row</dt>
        <dd class={log.consecutiveFailures > 0 ? 'bad' : ''}>{count(log.consecutiveFailures)}</dd>
        <dt>Refused by limits</dt>
        <dd>
          {refusals.length === 0
            ? 'none since start'
            : refusals.map(([policy, n]) => `${words(policy)} ${count(n)}`).join(', ')}
        </dd>
      </dl>
    </Panel>
  )
}

const MARKS: Readonly<Record<string, 'ok' | 'client' | 'upstream'>> = { live: 'ok', ended: 'client' }

/** Every gateway process that the ledger has heard of lately. */
function Gateways() {
  const loaded = useLoaded(
    'gateways',
    async (signal) => {
      const now = Date.now()
      return getAudit(new Date(now - HOUR_MS).toISOString(), new Date(now).toISOString(), signal)
    },
    POLL_MS,
  )
  const { value, error } = loaded.value
  return (
    <Panel title="Gateways" hint="of this database, in the last hour">
      <Failure error={error} />
      {value === null ? (
        <div class="waiting" />
      ) : value.instances.length === 0 ? (
        <Empty title="None had a request in the last hour." />
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Gateways">
          <GatewayTable instances={value.instances} />
        </div>
      )}
    </Panel>
  )
}

function GatewayTable({ instances }: { readonly instances: readonly Instance[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Host</th>
          <th scope="col">State</th>
          <th scope="col">Version</th>
          <th scope="col">Started</th>
          <th scope="col">Last seen</th>
          <th scope="col" class="n">
            On their way
          </th>
          <th scope="col" class="n">
            On disk
          </th>
          <th scope="col">Instance</th>
        </tr>
      </thead>
      <tbody>
        {instances.map((one) => (
          <tr key={one.id}>
            <th scope="row">{one.host ?? 'unknown'}</th>
            <td>
              <Mark of={MARKS[one.state] ?? 'upstream'} /> {one.state}
            </td>
            <td>{one.version ?? '–'}</td>
            <td>
              <Ago at={one.startedAt} />
            </td>
            <td>
              <Ago at={one.lastSeenAt} />
            </td>
            <td class="n">{count(one.waiting)}</td>
            <td class="n">{one.spilledEntries === null ? '–' : count(one.spilledEntries)}</td>
            <td class="mono soft">{one.id}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
