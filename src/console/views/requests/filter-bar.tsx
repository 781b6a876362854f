import type { ComponentChildren } from 'preact'
import { useSignal } from '@preact/signals'
import { fieldsOf } from '../../parts/form.ts'
import { Icon } from '../../parts/icon.tsx'
import { Menu } from '../../parts/menu.tsx'
import { setQuery } from '../../state/location.ts'
import { FILTER_FIELDS, type Filter, type FilterName, sizeOf, toggled } from '../../words/filter.ts'

/** The conditions of a search, each with a way to take it back, and a way to add one. */
export function FilterBar({
  filter,
  children,
}: {
  readonly filter: Filter
  /** Before the conditions. */
  readonly children?: ComponentChildren
}) {
  return (
    <div class="filter-bar" role="group" aria-label="Filters">
      {children}
      <Menu
        label={
          <>
            <Icon name="plus" /> Filter
          </>
        }
      >
        {(close) => <AddFilter filter={filter} close={close} />}
      </Menu>
      {FILTER_FIELDS.flatMap(({ name, label }) =>
        (filter[name] ?? []).map((value) => (
          <span class="chip" key={`${name} ${value}`}>
            <span class="soft">{label}</span> {value}
            <button
              type="button"
              aria-label={`Remove the filter ${label} ${value}`}
              onClick={() => setFilter(toggled(filter, name, value), name)}
            >
              <Icon name="close" />
            </button>
          </span>
        )),
      )}
      {sizeOf(filter) < 2 ? null : (
        <button
          type="button"
          class="button quiet small"
          onClick={() => setQuery(Object.fromEntries(FILTER_FIELDS.map(({ name }) => [name, null])))}
        >
          Clear all
        </button>
      )}
    </div>
  )
}

/** Puts the values of one name into the address. */
function setFilter(filter: Filter, name: FilterName): void {
  setQuery({ [name]: filter[name] ?? null })
}

const HINTS: Readonly<Partial<Record<FilterName, string>>> = {
  status: 'A status such as 404, or a class such as 5xx',
  path: 'The beginning of a path, such as /npm/left-pad',
  package: 'A name in any spelling, such as @babel/core',
  address: 'An address, or a network such as 10.0.0.0/8',
  slowerThan: 'A duration such as 500ms or 2s',
  key: 'The id of a key: what follows wb_',
}

function AddFilter({ filter, close }: { readonly filter: Filter; readonly close: () => void }) {
  const name = useSignal<FilterName>('tenant')
  const submit = (event: SubmitEvent): void => {
    const value = fieldsOf(event)('value')
    if (value === '') return
    const isSingle = FILTER_FIELDS.some((field) => field.name === name.value && field.isSingle)
    const others = isSingle ? [] : (filter[name.value] ?? [])
    setFilter({ ...filter, [name.value]: [...new Set([...others, value])] }, name.value)
    close()
  }
  return (
    <form class="add-filter" onSubmit={submit}>
      <label>
        What
        <select
          value={name.value}
          onChange={({ currentTarget }) => {
            const found = FILTER_FIELDS.find((field) => field.name === currentTarget.value)
            if (found !== undefined) name.value = found.name
          }}
        >
          {FILTER_FIELDS.map(({ name, label }) => (
            <option value={name} key={name}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <label>
        Value
        <input name="value" autocomplete="off" spellcheck={false} required />
      </label>
      <p class="hint">{HINTS[name.value] ?? 'The whole value. Several of one kind mean one of them.'}</p>
      <button class="button primary">Add</button>
    </form>
  )
}
