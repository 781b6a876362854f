import { useSignal } from '@preact/signals'
import type { MintedKey } from '../../api/directory.ts'
import { listRoutes } from '../../api/system.ts'
import { Copyable } from '../../parts/copy.tsx'
import { useLoaded } from '../../state/load.ts'
import { cliOf } from '../../words/command.ts'

/** The clients that `waybill setup` knows. */
const CLIENTS =
  'npm pnpm yarn yarn1 bun pip uv poetry twine maven gradle docker podman cargo go helm apt git curl'.split(
    ' ',
  )

/** A key that was made just now: its text this once, and what makes a client use it. */
export function MintedPart({ minted, onDone }: { readonly minted: MintedKey; readonly onDone: () => void }) {
  const client = useSignal('npm')
  const route = useSignal('')
  const routes = useLoaded('routes', listRoutes)
  const names = (routes.value.value ?? []).map(({ name }) => name)
  const chosen =
    route.value === '' ? (names.find((name) => name === client.value) ?? names[0] ?? '<route>') : route.value
  return (
    <div class="form">
      <p>
        <strong>Copy it now.</strong> It is stored nowhere and cannot be shown again. Every gateway knows it
        within a second.
      </p>
      <Copyable text={minted.key} label="key" />
      <div class="two">
        <label>
          Client
          <select value={client.value} onChange={({ currentTarget }) => (client.value = currentTarget.value)}>
            {CLIENTS.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          Route
          <input
            value={route.value}
            placeholder={chosen}
            list="route-names"
            onInput={({ currentTarget }) => (route.value = currentTarget.value.trim())}
          />
          <datalist id="route-names">
            {names.map((name) => (
              <option value={name} key={name} />
            ))}
          </datalist>
        </label>
      </div>
      <p class="hint">
        This prints the files, environment and command lines that make the client use the route:
      </p>
      <Copyable text={`export KEY=${minted.key}`} label="line that keeps the key" />
      <Copyable
        text={`${cliOf(['setup', client.value], [['--route', chosen]])} --key $KEY`}
        label="setup line"
      />
      <div class="form-end">
        <a href={`/keys/${minted.id}`} onClick={onDone}>
          Open the key
        </a>
        <button type="button" class="button primary" onClick={onDone}>
          I have it
        </button>
      </div>
    </div>
  )
}
