import { type Change, listChanges } from '../../api/system.ts'
import { Heads } from '../../parts/heads.tsx'
import { type OnSettled, useSettled } from '../../parts/in-turn.tsx'
import { Moment } from '../../parts/moment.tsx'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { useLoaded } from '../../state/load.ts'

const POLL_MS = 15_000

/** Who changed what, newest first: of a tenant and what belongs to it, or of all. */
export function Changes({
  tenant = null,
  onSettled,
}: {
  readonly tenant?: string | null
  readonly onSettled?: OnSettled
}) {
  const loaded = useLoaded(`changes ${tenant ?? ''}`, (signal) => listChanges(tenant, signal), POLL_MS)
  useSettled(loaded, onSettled)
  const { value, error } = loaded.value
  return (
    <Panel title="Changes" hint="who changed what, newest first">
      <Failure error={error} />
      {value === null ? (
        <div class="waiting" />
      ) : value.length === 0 ? (
        <Empty title="Nothing has been changed yet." />
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Changes">
          <ChangeTable changes={value} />
        </div>
      )}
    </Panel>
  )
}

function ChangeTable({ changes }: { readonly changes: readonly Change[] }) {
  return (
    <table>
      <Heads of={['When', 'Who', 'What', 'Of', 'Before and after']} />
      <tbody>
        {changes.map((change) => (
          <tr key={change.seq}>
            <td>
              <Moment at={change.at} />
            </td>
            <th scope="row">
              {change.actor} <span class="soft">{change.via}</span>
            </th>
            <td>{change.action.replace('.', ' ').replaceAll('_', ' ')}</td>
            <td class="mono">{change.subject}</td>
            <td class="mono wrap">{differences(change)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** What says nothing of what was meant. */
const BESIDES: ReadonlySet<string> = new Set(['version', 'updatedAt', 'updated_at'])

/** The fields that differ, old and new. */
function differences({ before, after }: Change): string {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])]
  const shown = (value: unknown): string => (value === undefined ? 'none' : JSON.stringify(value))
  return names
    .filter((name) => !BESIDES.has(name) && shown(before?.[name]) !== shown(after?.[name]))
    .map((name) =>
      before === null
        ? `${name}: ${shown(after?.[name])}`
        : `${name}: ${shown(before[name])} → ${shown(after?.[name])}`,
    )
    .join(', ')
}
