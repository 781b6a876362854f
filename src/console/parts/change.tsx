import { type Signal, useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import { ApiError, messageOf } from '../api/client.ts'

/** A change under way: what became of it. */
export interface Change {
  readonly isBusy: boolean
  readonly error: unknown
}

/** Runs changes one at a time; what fails is told beside the field that it names. */
export function useChange(): readonly [Signal<Change>, run: (change: () => Promise<void>) => Promise<void>] {
  const state = useSignal<Change>({ isBusy: false, error: null })
  const run = async (change: () => Promise<void>): Promise<void> => {
    if (state.peek().isBusy) return
    state.value = { isBusy: true, error: null }
    try {
      await change()
      state.value = { isBusy: false, error: null }
    } catch (error) {
      state.value = { isBusy: false, error }
    }
  }
  return [state, run]
}

/** What the API says against a field; null when it says nothing. */
function fieldError(error: unknown, name: string): string | null {
  if (!(error instanceof ApiError)) return null
  const found = error.fields.find(({ field }) => field === name || field.startsWith(`${name}.`))
  return found?.detail ?? null
}

interface FieldProps {
  readonly label: string
  /** As the API calls it. */
  readonly name: string
  readonly change: Change
  readonly hint?: string
  readonly children: (attributes: {
    readonly id: string
    readonly name: string
    readonly 'aria-describedby': string
    readonly 'aria-invalid': boolean
  }) => ComponentChildren
}

/** A labelled field with its hint, and what the API says against its value. */
export function Field({ label, name, change, hint = '', children }: FieldProps) {
  const id = useId()
  const problem = fieldError(change.error, name)
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, name, 'aria-describedby': `${id}-hint`, 'aria-invalid': problem !== null })}
      <p id={`${id}-hint`} class={problem === null ? 'hint' : 'bad'}>
        {problem ?? hint}
      </p>
    </div>
  )
}

/** The end of a form: what failed as a whole, and its button. */
export function FormEnd({
  change,
  label,
  isDanger = false,
}: {
  readonly change: Change
  readonly label: string
  readonly isDanger?: boolean
}) {
  return (
    <div class="form-end">
      <p role="alert" class={change.error === null ? '' : 'failure'}>
        {change.error === null ? '' : messageOf(change.error)}
      </p>
      <button class={isDanger ? 'button danger' : 'button primary'} disabled={change.isBusy}>
        {label}
      </button>
    </div>
  )
}
