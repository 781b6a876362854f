import { Mark } from '../../parts/outcome.tsx'

const MARKS = { active: 'ok', suspended: 'refused', deleted: 'client' } as const

/** The state of a tenant: mark and word. */
export function TenantState({ state }: { readonly state: keyof typeof MARKS }) {
  return (
    <span class="outcome">
      <Mark of={MARKS[state]} /> {state}
    </span>
  )
}
