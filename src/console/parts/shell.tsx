import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { path } from '../state/location.ts'
import { nextTheme, nextZone, theme, zone } from '../state/preferences.ts'
import { askToSignIn, isOfTenant, session, signOut } from '../state/session.ts'
import { zoneName } from '../words/moment.ts'
import { Icon, type IconName } from './icon.tsx'
import { StateLine } from './state-line.tsx'

interface NavItem {
  readonly segment: string
  readonly label: string
  readonly icon: IconName
}

const GROUPS: readonly (readonly [title: string, items: readonly NavItem[]])[] = [
  [
    'Observe',
    [
      { segment: '', label: 'Overview', icon: 'overview' },
      { segment: 'requests', label: 'Requests', icon: 'requests' },
      { segment: 'tail', label: 'Live tail', icon: 'tail' },
      { segment: 'deliveries', label: 'Deliveries', icon: 'deliveries' },
      { segment: 'packages', label: 'Packages', icon: 'packages' },
      { segment: 'completeness', label: 'Completeness', icon: 'completeness' },
    ],
  ],
  [
    'Manage',
    [
      { segment: 'tenants', label: 'Tenants', icon: 'tenants' },
      { segment: 'keys', label: 'Keys', icon: 'keys' },
      { segment: 'system', label: 'System', icon: 'system' },
    ],
  ],
]

/** What is around every view: navigation, the state of the gateway, preferences. */
export function Shell({
  current,
  children,
}: {
  readonly current: string
  readonly children: ComponentChildren
}) {
  const isOpen = useSignal(false)
  // On a phone the navigation covers the view: it is closed on arrival.
  useEffect(() => {
    isOpen.value = false
  }, [path.value])
  return (
    <div class="shell">
      <a class="skip" href="#content">
        Skip to content
      </a>
      <header class="side">
        <div class="side-head">
          <Brand />
          <button
            type="button"
            class="button quiet menu-button"
            aria-expanded={isOpen.value}
            aria-controls="navigation"
            onClick={() => (isOpen.value = !isOpen.value)}
          >
            <Icon name="menu" /> Menu
          </button>
        </div>
        <div class={isOpen.value ? 'side-body open' : 'side-body'} id="navigation">
          <Navigation current={current} />
          <Preferences />
        </div>
      </header>
      <div class="content">
        {isOfTenant() ? null : <StateLine />}
        <main id="content" tabIndex={-1}>
          {children}
        </main>
      </div>
    </div>
  )
}

export function Brand() {
  return (
    <a class="brand" href="/">
      <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect width="32" height="32" rx="7" />
        <path d="M7 9l4.200 14L16 12l4.800 11L25 9" />
      </svg>
      Waybill
    </a>
  )
}

function Navigation({ current }: { readonly current: string }) {
  return (
    <nav aria-label="Views">
      {GROUPS.map(([title, items]) => (
        <div class="nav-group" key={title}>
          <p class="nav-title">{title}</p>
          <ul>
            {items.filter(isOffered).map(({ segment, label, icon }) => (
              <li key={segment}>
                <a href={`/${segment}`} {...(segment === current ? { 'aria-current': 'page' as const } : {})}>
                  <Icon name={icon} /> {label}
                </a>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  )
}

/** What is the gateway's own is not for tenants. */
function isOffered({ segment }: NavItem): boolean {
  return segment !== 'system' || !isOfTenant()
}

const THEME_WORDS = { system: 'Theme of the system', light: 'Light theme', dark: 'Dark theme' } as const

function Preferences() {
  const state = session.value
  return (
    <div class="preferences">
      <button type="button" class="button quiet" onClick={nextZone} title="Change between local time and UTC">
        <Icon name="clock" />{' '}
        {zone.value === 'utc' ? 'Times in UTC' : `Local time, ${zoneName(new Date(), 'local')}`}
      </button>
      <button
        type="button"
        class="button quiet"
        onClick={nextTheme}
        title="Change between the system's theme, light and dark"
      >
        <Icon name="sun" /> {THEME_WORDS[theme.value]}
      </button>
      {state.kind === 'in' && state.principal.kind !== 'anonymous' ? (
        <button type="button" class="button quiet" onClick={() => void signOut()}>
          <Icon name="out" /> Sign out {state.principal.name}
        </button>
      ) : (
        <button
          type="button"
          class="button quiet"
          onClick={askToSignIn}
          title="Without a token one may look, and change nothing"
        >
          <Icon name="out" /> Sign in to change things
        </button>
      )}
    </div>
  )
}
