import type { Overview, Worker } from '../../api/overview.ts'
import { Heads } from '../../parts/heads.tsx'
import { Mark } from '../../parts/outcome.tsx'
import { Panel } from '../../parts/page.tsx'
import { count, duration, several, words } from '../../words/format.ts'

/** The gateway's own state, and its worker processes where there are several. */
export function Workers({ overview, hasLink }: { readonly overview: Overview; readonly hasLink: boolean }) {
  const { database, directory, accessLog: log, requests, workers = [] } = overview
  const isThere = database.state === 'there' && database.isStoring
  return (
    <Panel title="This gateway" tools={hasLink ? <a href="/system">System</a> : undefined}>
      <dl class="pairs">
        <dt>Database</dt>
        <dd>
          <Mark of={isThere ? 'ok' : 'upstream'} /> {databaseWords(overview)}
        </dd>
        {(overview.warnings ?? []).some(({ code }) => code === 'embedded_database') ? (
          <>
            <dt>Kept</dt>
            <dd>in the embedded PostgreSQL, on this machine alone</dd>
          </>
        ) : null}
        <dt>Writer</dt>
        <dd>
          {words(log.writerMode)}, {count(log.channelEntries)} of {count(log.capacityEntries)} places taken
        </dd>
        <dt>Tenants and keys</dt>
        <dd>
          {count(directory.tenants)} and {count(directory.keys)},{' '}
          {directory.ageMs === null ? (
            <strong class="bad">not loaded</strong>
          ) : (
            `read ${duration(directory.ageMs)} ago`
          )}
        </dd>
        <dt>Connections</dt>
        <dd>
          {count(requests.connections + requests.upgradedConnections)} open,{' '}
          {several(requests.inFlight, 'request')} in flight
        </dd>
      </dl>
      {workers.length === 0 ? null : <WorkerTable workers={workers} />}
    </Panel>
  )
}

function databaseWords({ database }: Overview): string {
  const why = database.error === null ? '' : ` (${database.error})`
  if (database.state === 'away') return `away for ${duration(database.sinceMs)}${why}`
  if (!database.isStoring) return 'there, takes no entries'
  return database.state === 'there' ? 'there, stores entries' : 'not asked yet'
}

function WorkerTable({ workers }: { readonly workers: readonly Worker[] }) {
  return (
    <table>
      <Heads of={['Worker', 'State', ['Connections', 'n'], ['Requests', 'n'], 'Database']} />
      <tbody>
        {workers.map((one) => (
          <tr key={one.pid}>
            <th scope="row">
              {one.worker} <span class="soft">pid {one.pid}</span>
            </th>
            <td>
              <Mark of={one.isReady ? 'ok' : 'refused'} /> {one.state}
              {one.isReady ? '' : ', not ready'}
            </td>
            <td class="n">{count(one.connections)}</td>
            <td class="n">{one.requests === null ? '–' : count(one.requests)}</td>
            <td>{one.database ?? '–'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
