import { useSignal } from '@preact/signals'
import { after } from '../state/clock.ts'
import { cliOf, curlOf } from '../words/command.ts'
import { Icon } from './icon.tsx'
import { Menu } from './menu.tsx'

const SAID_MS = 1600

/** A button that puts a text on the clipboard and says so. */
export function CopyButton({ text, label }: { readonly text: string; readonly label: string }) {
  const isCopied = useSignal<boolean | null>(null)
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text)
      isCopied.value = true
    } catch {
      isCopied.value = false
    }
    after(SAID_MS, () => (isCopied.value = null))
  }
  return (
    <button
      type="button"
      class="button quiet small"
      onClick={() => void copy()}
      title={label}
      aria-label={label}
    >
      <Icon name="copy" />
      <span class="copied" role="status">
        {isCopied.value === null ? '' : isCopied.value ? 'Copied' : 'Select and copy it by hand'}
      </span>
    </button>
  )
}

/** A text to be copied, with its button: selected whole by a click. */
export function Copyable({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <div class="copyable">
      <code tabIndex={0} aria-label={label}>
        {text}
      </code>
      <CopyButton text={text} label={`Copy ${label}`} />
    </div>
  )
}

/** What a view shows, as a call of the API and as a command. */
export interface Equivalent {
  /** Path and query of the API. */
  readonly path: string
  /** Whether its answer lasts. */
  readonly isStream?: boolean
  /** Words of the command behind `waybill`, and its flags. */
  readonly cli?: readonly string[]
  readonly flags?: readonly (readonly [flag: string, value: string | null | undefined])[]
  /** What the command cannot say that the view does. */
  readonly cliLacks?: readonly string[]
}

/** "Copy as": the command line, the call, and the link of a view. */
export function CopyAs({ path, isStream, cli, flags = [], cliLacks = [] }: Equivalent) {
  return (
    <Menu
      label={
        <>
          <Icon name="copy" /> Copy as
        </>
      }
      className="end"
    >
      {() => (
        <div class="copy-as">
          {cli === undefined ? null : (
            <section>
              <h3>Command</h3>
              <Copyable text={cliOf(cli, flags)} label="command" />
              {cliLacks.length === 0 ? null : (
                <p class="hint">Without {cliLacks.join(', ')}: the command has no flag for that.</p>
              )}
            </section>
          )}
          <section>
            <h3>curl</h3>
            <Copyable text={curlOf(document.location.origin + path, isStream)} label="curl line" />
          </section>
          <section>
            <h3>Link to this view</h3>
            <Copyable text={document.location.href} label="link" />
          </section>
        </div>
      )}
    </Menu>
  )
}
