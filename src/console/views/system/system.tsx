import type { ComponentChildren } from 'preact'
import type { Overview } from '../../api/overview.ts'
import { CopyAs } from '../../parts/copy.tsx'
import { InTurn } from '../../parts/in-turn.tsx'
import { Meter } from '../../parts/meter.tsx'
import { Page, Panel } from '../../parts/page.tsx'
import { liveError, overview } from '../../state/live.ts'
import { may } from '../../state/session.ts'
import { bytes, count, duration, words } from '../../words/format.ts'
import { Workers } from '../overview/workers.tsx'
import { Changes } from './changes.tsx'
import { Configuration, Routes } from './configuration.tsx'
import { Gateways } from './gateways.tsx'
import { Quarantine } from './quarantine.tsx'
import { Tokens } from './tokens.tsx'

/** What is below the figures. */
const PARTS: readonly ((onSettled: () => void) => ComponentChildren)[] = [
  (onSettled) => <Gateways key="gateways" onSettled={onSettled} />,
  (onSettled) => <Quarantine key="quarantine" onSettled={onSettled} />,
  (onSettled) => <Changes key="changes" onSettled={onSettled} />,
  (onSettled) => <Routes key="routes" onSettled={onSettled} />,
  (onSettled) => <Configuration key="configuration" onSettled={onSettled} />,
  () => (may('admin') ? <Tokens key="tokens" /> : null),
]

/** Gateways and workers, their queues, who may sign in. */
export function SystemView() {
  // The figures of this gateway stand above the rest, and come first.
  const isArriving = overview.value === null && liveError.value === null
  return (
    <Page title="System" tools={<CopyAs path="/api/v1/overview" cli={['config', 'show']} />}>
      <div class="stack">
        {overview.value === null ? null : (
          <div class="columns">
            <Workers overview={overview.value} hasLink={false} />
            <Queues overview={overview.value} />
          </div>
        )}
        {isArriving ? null : <InTurn parts={PARTS} />}
      </div>
    </Page>
  )
}

/** What waits, of what may wait. */
function Queues({ overview: { accessLog: log, limits } }: { readonly overview: Overview }) {
  const refusals = Object.entries(limits.refusals).filter(([, n]) => n > 0)
  return (
    <Panel title="Queues and limits">
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
