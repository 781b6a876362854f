import { computed, signal } from '@preact/signals'

/** Whether another view was gone to, whose title shall have the focus. */
let isArriving = false

/** Says that another view comes, though not by its address. */
export function arrive(): void {
  isArriving = true
}

/** Whether one has come to this view from another; asked once. */
export function takeArrival(): boolean {
  const was = isArriving
  isArriving = false
  return was
}

/** Where the console is. The address is the state of every view: what is not in it, is not shared by a link. */
const address = signal(new URL(document.location.href))

/** Path without a slash at its end; `/` for the overview. */
export const path = computed(() => address.value.pathname.replace(/(?<=.)\/+$/, ''))

/** The query as text: it changes only when the query does. */
export const search = computed(() => address.value.search)

/** The parameters of the address. */
export const query = computed(() => new URLSearchParams(search.value))

/** The segments of the path: `/tenants/acme` → `tenants`, `acme`. */
export const segments = computed(() => path.value.split('/').slice(1).map(decodeSegment))

function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Goes to another place of the console; `replace` leaves no step for the way back. */
export function navigate(to: string, options: { readonly replace?: boolean } = {}): void {
  const url = new URL(to, document.location.href)
  if (url.href === address.value.href) return
  if (options.replace === true) history.replaceState(null, '', url)
  else history.pushState(null, '', url)
  const isOtherPath = url.pathname !== address.value.pathname
  isArriving ||= isOtherPath
  address.value = url
  if (isOtherPath) window.scrollTo(0, 0)
}

/** Changes parameters of the address where it stands; null removes one. */
export function setQuery(
  changes: Readonly<Record<string, string | readonly string[] | null>>,
  options: { readonly replace?: boolean } = {},
): void {
  const next = new URLSearchParams(search.value)
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name)
    if (value === null) continue
    for (const one of typeof value === 'string' ? [value] : value) next.append(name, one)
  }
  navigate(withQuery(path.value, next), options)
}

/** A path with a query, if there is any. */
export function withQuery(to: string, parameters: URLSearchParams): string {
  const text = parameters.toString()
  return text === '' ? to : `${to}?${text}`
}

/** Clicks on links of this origin go on without loading the page anew; `download` and other windows are the browser's. */
export function startLocation(): void {
  window.addEventListener('popstate', () => {
    const url = new URL(document.location.href)
    isArriving ||= url.pathname !== address.peek().pathname
    address.value = url
  })
  document.addEventListener('click', (event) => {
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (!isPlain || event.defaultPrevented || link === null) return
    if (link.origin !== document.location.origin || link.target !== '' || link.hasAttribute('download'))
      return
    // A place on this page is for the browser to go to, which takes the focus there.
    if (link.hash !== '' || link.pathname.startsWith('/api/')) return
    event.preventDefault()
    navigate(link.href)
  })
}
