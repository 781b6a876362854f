import { gatewayNow } from '../../api/gateway-clock.ts'
import { type Gateway, listGateways } from '../../api/system.ts'
import { Heads } from '../../parts/heads.tsx'
import { type OnSettled, useSettled } from '../../parts/in-turn.tsx'
import { Ago } from '../../parts/moment.tsx'
import { Mark } from '../../parts/outcome.tsx'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { useLoaded } from '../../state/load.ts'
import { duration } from '../../words/format.ts'

const POLL_MS = 5000
/** A process writes that it is there every few seconds; after a minute without it is not. */
const SILENT_MS = 60_000

/** Every gateway process on this database that was seen within a day. */
export function Gateways({ onSettled }: { readonly onSettled?: OnSettled }) {
  const loaded = useLoaded('gateways', listGateways, POLL_MS)
  useSettled(loaded, onSettled)
  const { value, error } = loaded.value
  return (
    <Panel title="Gateways" hint="processes on this database, seen within a day">
      <Failure error={error} />
      {value === null ? (
        <div class="waiting" />
      ) : value.length === 0 ? (
        <Empty title="None was seen within a day." />
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Gateways">
          <GatewayTable gateways={value} />
        </div>
      )}
    </Panel>
  )
}

function stateOf({ endedAt, lastSeenAt }: Gateway): readonly ['ok' | 'client' | 'upstream', string] {
  if (endedAt !== null) return ['client', 'ended']
  return gatewayNow().getTime() - Date.parse(lastSeenAt) > SILENT_MS ? ['upstream', 'silent'] : ['ok', 'live']
}

function GatewayTable({ gateways }: { readonly gateways: readonly Gateway[] }) {
  return (
    <table>
      <Heads
        of={[
          'Host',
          ['Process', 'n'],
          'State',
          'Version',
          'Started',
          'Last seen',
          'Tenants and keys',
          'Instance',
        ]}
      />
      <tbody>
        {gateways.map((one) => {
          const [mark, words] = stateOf(one)
          return (
            <tr key={one.instance}>
              <th scope="row">{one.host}</th>
              <td class="n">{one.processId ?? '–'}</td>
              <td>
                <Mark of={mark} /> {words}
              </td>
              <td>{one.version}</td>
              <td>
                <Ago at={one.startedAt} />
              </td>
              <td>
                <Ago at={one.lastSeenAt} />
              </td>
              <td>
                {one.directorySilentMs === null ? '–' : `confirmed ${duration(one.directorySilentMs)} ago`}
              </td>
              <td class="mono soft">{one.instance}</td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}
