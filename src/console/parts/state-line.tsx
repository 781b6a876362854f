import { computed } from '@preact/signals'
import { liveError, overview, staleMs } from '../state/live.ts'
import { duration } from '../words/format.ts'
import { Mark } from './outcome.tsx'

interface State {
  readonly tone: 'ok' | 'warn' | 'bad'
  readonly text: string
  readonly more: readonly string[]
}

const TONES = { ok: 'ok', warn: 'refused', bad: 'upstream' } as const

/** The gateway's state in one honest line. */
const state = computed<State>(() => {
  const now = overview.value
  if (liveError.value !== null) return { tone: 'bad', text: liveError.value, more: [] }
  if (now === null) return { tone: 'warn', text: 'Connecting …', more: [] }
  const details = (reasons: readonly { readonly code: string; readonly detail: string }[]): string[] =>
    reasons.map(({ code, detail }) => detail || code)
  if (!now.ready) return { tone: 'bad', text: 'Not ready', more: details(now.reasons) }
  const warnings = (now.warnings ?? []).filter(({ code }) => code !== 'embedded_database')
  if (warnings.length > 0)
    return { tone: 'warn', text: 'Ready, but something is wrong', more: details(warnings) }
  return { tone: 'ok', text: 'Ready', more: [] }
})

/** The line above every view; it speaks up when the state changes. */
export function StateLine() {
  const { tone, text, more } = state.value
  const now = overview.value
  return (
    <section class={`state-line ${tone}`} aria-label="State of the gateway">
      <p role="status" class="state-words">
        <Mark of={TONES[tone]} />
        <strong>{text}</strong>
        {more.map((line) => (
          <span key={line}>{line}</span>
        ))}
      </p>
      <p class="state-about">
        {staleMs.value === null ? null : (
          <strong class="bad">Figures are {duration(staleMs.value)} old</strong>
        )}
        {now === null ? null : (
          <span>
            Version {now.version}, up {duration(now.uptimeMs)}
          </span>
        )}
      </p>
    </section>
  )
}
