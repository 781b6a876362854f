import { effect, signal } from '@preact/signals'
import type { Zone } from '../words/moment.ts'

export type Theme = 'system' | 'light' | 'dark'

const THEMES: readonly Theme[] = ['system', 'light', 'dark']
const ZONES: readonly Zone[] = ['local', 'utc']

/** Kept in the browser: they are of the person, not of what is shown. */
export const theme = signal<Theme>(stored('theme', THEMES, 'system'))
export const zone = signal<Zone>(stored('zone', ZONES, 'local'))

function stored<T extends string>(name: string, choices: readonly T[], fallback: T): T {
  const text = localStorage.getItem(`waybill.${name}`)
  return choices.find((choice) => choice === text) ?? fallback
}

/** Applies the preferences, and keeps those that change. */
export function startPreferences(): void {
  effect(() => {
    document.documentElement.dataset['theme'] = theme.value
    localStorage.setItem('waybill.theme', theme.value)
  })
  effect(() => localStorage.setItem('waybill.zone', zone.value))
}

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'system'
}

export function nextZone(): void {
  zone.value = zone.value === 'utc' ? 'local' : 'utc'
}
