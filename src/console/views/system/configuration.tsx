import { listOptions, listRoutes, type Option, type Route } from '../../api/system.ts'
import { Heads } from '../../parts/heads.tsx'
import { type OnSettled, useSettled } from '../../parts/in-turn.tsx'
import { Empty, Failure, Panel } from '../../parts/page.tsx'
import { useLoaded } from '../../state/load.ts'
import { query, setQuery } from '../../state/location.ts'
import { several } from '../../words/format.ts'

/** The routes in force. */
export function Routes({ onSettled }: { readonly onSettled?: OnSettled }) {
  const loaded = useLoaded('routes', listRoutes)
  useSettled(loaded, onSettled)
  const { value, error } = loaded.value
  return (
    <Panel title="Routes" hint="of this gateway's configuration">
      <Failure error={error} />
      {value === null ? <div class="waiting" /> : <RouteTable routes={value} />}
    </Panel>
  )
}

function RouteTable({ routes }: { readonly routes: readonly Route[] }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Routes">
      <table>
        <Heads of={['Route', 'Kind', 'Path', 'Host', 'Who may']} />
        <tbody>
          {routes.map((route) => (
            <tr key={route.name}>
              <th scope="row">
                <a href={`/requests?route=${route.name}&since=24h`}>{route.name}</a>
              </th>
              <td>{route.kind}</td>
              <td class="mono">{route.path}</td>
              <td class="mono">{route.host ?? 'any'}</td>
              <td>{route.auth}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** The options in force with their sources: those that were set, or all. */
export function Configuration({ onSettled }: { readonly onSettled?: OnSettled }) {
  const loaded = useLoaded('options', listOptions)
  useSettled(loaded, onSettled)
  const isAll = query.value.get('options') === 'all'
  const { value, error } = loaded.value
  const options = (value ?? []).filter(({ source }) => isAll || source !== 'default')
  return (
    <Panel
      title="Configuration"
      hint={isAll ? 'all options' : `${several(options.length, 'option')} that were set`}
      tools={
        <button
          type="button"
          class="button small"
          aria-pressed={isAll}
          onClick={() => setQuery({ options: isAll ? null : 'all' }, { replace: true })}
        >
          Show defaults
        </button>
      }
    >
      <Failure error={error} />
      {value !== null && options.length === 0 ? (
        <Empty title="Every option has its default." />
      ) : (
        <OptionTable options={options} />
      )}
    </Panel>
  )
}

function OptionTable({ options }: { readonly options: readonly Option[] }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Options">
      <table>
        <Heads of={['Option', 'Value', 'From', 'A change needs']} />
        <tbody>
          {options.map(({ name, value, source, actsOn, help }) => (
            <tr key={name} title={help}>
              <th scope="row" class="mono">
                {name}
              </th>
              <td class="mono wrap">{typeof value === 'string' ? value : JSON.stringify(value)}</td>
              <td>{source}</td>
              <td>{actsOn}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
