import { type ComponentChildren, Fragment } from 'preact'
import type { Entry } from '../../api/entries.ts'
import { Copyable, CopyButton } from '../../parts/copy.tsx'
import { Drawer } from '../../parts/drawer.tsx'
import { Mark, StatusCode } from '../../parts/outcome.tsx'
import { zone } from '../../state/preferences.ts'
import { bytes, count, words } from '../../words/format.ts'
import { cliOf, curlOf } from '../../words/command.ts'
import type { FilterName } from '../../words/filter.ts'
import { exactMoment } from '../../words/moment.ts'
import { answererOf, sentenceOf } from '../../words/why.ts'
import { LimitsThen } from './limits-then.tsx'
import { Neighbours, searchAround } from './neighbours.tsx'
import { Timeline } from './timeline.tsx'

/** The whole life of one request. */
export function EntryDrawer({ entry, onClose }: { readonly entry: Entry; readonly onClose: () => void }) {
  const title = (
    <>
      <StatusCode status={entry.status} /> {entry.method ?? ''}{' '}
      <span class="mono">{entry.path ?? 'no path'}</span>
    </>
  )
  return (
    <Drawer label="One request" title={title} onClose={onClose}>
      <p class={`why ${answererOf(entry)}`}>
        <Mark of={answererOf(entry)} /> {sentenceOf(entry)}
      </p>
      <LimitsThen entry={entry} />
      <Timeline entry={entry} />
      <EntryFields entry={entry} />
      <Neighbours of={entry} />
      <section>
        <h3>Copy as</h3>
        {entry.request_id === null ? null : (
          <>
            <Copyable text={cliOf(['logs'], [['--request-id', entry.request_id]])} label="command" />
            <Copyable
              text={curlOf(
                `${document.location.origin}/api/v1/entries/${encodeURIComponent(entry.request_id)}`,
              )}
              label="curl line"
            />
          </>
        )}
        <details>
          <summary>The row as JSON</summary>
          <pre tabIndex={0}>{JSON.stringify(entry, null, 2)}</pre>
          <CopyButton text={JSON.stringify(entry, null, 2)} label="Copy the row as JSON" />
        </details>
      </section>
    </Drawer>
  )
}

type Field = readonly [label: string, value: ComponentChildren]

type Group = readonly [title: string, fields: readonly Field[]]

function groupsOf(entry: Entry): readonly Group[] {
  return [
    [
      'Request',
      [
        ['Started', exactMoment(new Date(entry.started_at), zone.value)],
        [
          'Outcome',
          entry.reason === null ? words(entry.outcome) : `${words(entry.outcome)}: ${words(entry.reason)}`,
        ],
        ['Host', entry.host],
        ['Received', `${bytes(Number(entry.bytes_received))} (${count(Number(entry.bytes_received))} B)`],
        ['Sent', `${bytes(Number(entry.bytes_sent))} (${count(Number(entry.bytes_sent))} B)`],
      ],
    ],
    [
      'Who',
      [
        ['Tenant', link(entry.tenant, `/tenants/${entry.tenant ?? ''}`)],
        ['Key', link(entry.key_id, `/keys/${entry.key_id ?? ''}`)],
        ['Address', link(entry.client_ip, search(entry, 'address', entry.client_ip))],
        ['Client', entry.user_agent],
      ],
    ],
    [
      'Where to',
      [
        ['Route', link(entry.route, search(entry, 'route', entry.route))],
        ['Kind', entry.kind],
        ['Upstream', entry.upstream],
        ["Upstream's limit", entry.upstreamLimit],
        ['Held', entry.heldMs === null ? null : `${entry.heldMs} ms`],
        ['Rule', entry.ruleId === null ? null : `${entry.ruleId} (${entry.ruleAction ?? ''})`],
      ],
    ],
    [
      'What',
      [
        ['Package', link(entry.purl, `/packages?${new URLSearchParams({ package: entry.purl ?? '' })}`)],
        ['Artifact', entry.artifactKind],
      ],
    ],
    [
      'Record',
      [
        [
          'Request id',
          entry.request_id === null ? null : <Copyable text={entry.request_id} label="request id" />,
        ],
        ['Trace id', link(entry.trace_id, search(entry, 'traceId', entry.trace_id))],
        ['Gateway', entry.seq === null ? entry.instance : `${entry.instance} · ${count(Number(entry.seq))}`],
      ],
    ],
  ]
}

function EntryFields({ entry }: { readonly entry: Entry }) {
  return (
    <>
      {groupsOf(entry).map(([title, fields]) => {
        const known = fields.filter(([, value]) => value !== null && value !== '')
        return known.length === 0 ? null : (
          <section key={title}>
            <h3>{title}</h3>
            <dl class="pairs">
              {known.map(([label, value]) => (
                <Fragment key={label}>
                  <dt>{label}</dt>
                  <dd>{value}</dd>
                </Fragment>
              ))}
            </dl>
          </section>
        )
      })}
    </>
  )
}

function link(value: string | null, to: string): ComponentChildren {
  return value === null ? null : <a href={to}>{value}</a>
}

function search(entry: Entry, name: FilterName, value: string | null): string {
  return searchAround(entry, { [name]: [value ?? ''] })
}
