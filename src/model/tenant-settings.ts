import { DEFAULT_LOG_POLICY, LOG_POLICIES } from './log-policy.ts'
import { isSameRate, RATE_FORM, rateOf, rateText } from './rate-limit.ts'
import type { RateLimit } from './route.ts'

/** Rates by name of route. The name may be `constructor`: ask with `rateForRoute`. */
export type RouteRates = Readonly<Record<string, RateLimit>>

/** What a column holds; an object is stored as JSON. */
export type ColumnValue = string | number | object | null

/** Reads what was given with a flag. After a problem, of which it takes note, it returns a harmless value. */
export interface FlagReader {
  rate(label: string, text: string): RateLimit | null
  routeRates(label: string, texts: readonly string[]): Record<string, RateLimit | null>
  integerOrNone(label: string, text: string, min: number, max: number): number | null
  choice<T extends string>(label: string, text: string, of: readonly T[]): T | undefined
}

/** How a setting is asked for and shown. */
interface Wording {
  /** As commander has it: `--rate <rate>`. */
  readonly flag: string
  readonly help: string
  readonly title: string
  /** See TableColumn. */
  readonly isRight?: boolean
  readonly minWidth?: number
  readonly dropOrder?: number
}

/** A setting of tenants, with the value `V`; a change of it says `C`. */
export interface TenantSetting<V, C = V> extends Wording {
  /** What a tenant has that was told nothing else. */
  readonly initial: V
  /** Columns of `tenants`. */
  readonly columns: readonly string[]
  /** Whether the flag may be given several times. */
  readonly isRepeatable: boolean
  /** In the order of `columns`, as `fromColumns` takes them. */
  toColumns(value: V): readonly ColumnValue[]
  fromColumns(values: readonly unknown[]): V
  /** `texts`: one, unless the flag is repeatable. */
  parse(texts: readonly string[], label: string, read: FlagReader): C
  merge(old: V, change: C): V
  isSame(a: V, b: V): boolean
  print(value: V): string
}

/**
 * What can be set on a tenant. The command line, the database, the snapshot and the folder that keeps it read this table: a new
 * setting is a migration, a row here, and what acts on it. The order is that of flags, CSV and JSON.
 */
export const TENANT_SETTINGS = {
  /** Over all routes; null for no limit. */
  rateLimit: rate(['rate_per_second', 'rate_burst'], {
    flag: '--rate <rate>',
    help: `requests per second over all routes: ${RATE_FORM}`,
    title: 'RATE',
  }),
  /** Rates for single routes, by route name; they replace the route's own. A change is merged route by route; null removes one. */
  routeRateLimits: ratesByRoute('route_rate_limits', {
    flag: '--route-rate <route=rate>',
    help: 'the same for one route, in place of its own; repeatable',
    title: 'ROUTE RATES',
    minWidth: 12,
    dropOrder: 1,
  }),
  /** Requests in flight at once; null for no limit. */
  maxConcurrency: countOrNone('max_concurrency', 1_000_000, {
    flag: '--concurrency <n>',
    help: 'requests in flight at once, or none',
    title: 'CONCURRENCY',
  }),
  /** When the access log has no room. */
  logPolicy: choice('log_policy', LOG_POLICIES, DEFAULT_LOG_POLICY, {
    flag: '--log-policy <policy>',
    help: `when the access log has no room: ${LOG_POLICIES.join(', ')}`,
    title: 'LOG POLICY',
  }),
}

type Table = typeof TENANT_SETTINGS

/** All settings of a tenant. */
export type TenantSettings = {
  readonly [S in keyof Table]: Table[S] extends TenantSetting<infer V, infer _> ? V : never
}

/** A change of settings: what is undefined stays. */
export type TenantChanges = {
  readonly [S in keyof Table]?: (Table[S] extends TenantSetting<infer _, infer C> ? C : never) | undefined
}

/** The table, to go through. */
export const SETTING_ROWS = Object.entries(TENANT_SETTINGS) as unknown as readonly [
  name: keyof Table,
  setting: TenantSetting<unknown>,
][]

/** What a new tenant has. */
export const INITIAL_SETTINGS = settingsBy((_, { initial }) => initial)

/** Columns of `tenants` that hold settings. */
export const SETTING_COLUMNS: readonly string[] = SETTING_ROWS.flatMap(([, { columns }]) => columns)

/** The settings in a row of `tenants`. */
export function settingsOfRow(row: Readonly<Record<string, unknown>>): TenantSettings {
  return settingsBy((_, setting) => setting.fromColumns(setting.columns.map((column) => row[column] ?? null)))
}

/** The settings as columns of `tenants`. */
export function settingsToRow(settings: TenantSettings): Record<string, ColumnValue> {
  const row: Record<string, ColumnValue> = {}
  for (const [name, setting] of SETTING_ROWS) {
    const values = setting.toColumns(settings[name])
    for (const [i, column] of setting.columns.entries()) row[column] = values[i] ?? null
  }
  return row
}

/** The settings after a change. */
export function changedSettings(old: TenantSettings, changes: TenantChanges): TenantSettings {
  return settingsBy((name, setting) => {
    const change = changes[name]
    return change === undefined ? old[name] : setting.merge(old[name], change)
  })
}

export function isSameSettings(a: TenantSettings, b: TenantSettings): boolean {
  return SETTING_ROWS.every(([name, setting]) => setting.isSame(a[name], b[name]))
}

/** The tenant's rate for a route; undefined when it has none of its own. */
export function rateForRoute(rates: RouteRates, route: string): RateLimit | undefined {
  return Object.hasOwn(rates, route) ? rates[route] : undefined
}

function settingsBy(
  valueOf: (name: keyof Table, setting: TenantSetting<unknown>) => unknown,
): TenantSettings {
  return Object.fromEntries(
    SETTING_ROWS.map(([name, setting]) => [name, valueOf(name, setting)]),
  ) as unknown as TenantSettings
}

/* The kinds of settings. */

function rate(columns: readonly [string, string], wording: Wording): TenantSetting<RateLimit | null> {
  return {
    ...wording,
    initial: null,
    columns,
    isRepeatable: false,
    toColumns: (value) => [value?.perSecond ?? null, value?.burst ?? null],
    fromColumns: ([perSecond, burst]) => rateOf(perSecond as number | null, burst as number | null),
    parse: ([text = ''], label, read) => read.rate(label, text),
    merge: (_, change) => change,
    isSame: isSameRate,
    print: rateText,
  }
}

function ratesByRoute(
  column: string,
  wording: Wording,
): TenantSetting<RouteRates, Readonly<Record<string, RateLimit | null>>> {
  return {
    ...wording,
    initial: {},
    columns: [column],
    isRepeatable: true,
    toColumns: (value) => [value],
    fromColumns: ([value]) => (value ?? {}) as RouteRates,
    parse: (texts, label, read) => read.routeRates(label, texts),
    merge: (old, change) => {
      const rates: [string, RateLimit][] = []
      for (const [route, limit] of new Map([...Object.entries(old), ...Object.entries(change)])) {
        if (limit !== null) rates.push([route, { perSecond: limit.perSecond, burst: limit.burst }])
      }
      return Object.fromEntries(rates)
    },
    isSame: (a, b) => {
      const routes = Object.keys(a)
      return (
        routes.length === Object.keys(b).length &&
        routes.every((route) => Object.hasOwn(b, route) && isSameRate(a[route] ?? null, b[route] ?? null))
      )
    },
    print: (value) => {
      const rates = Object.entries(value).map(([route, limit]) => `${route}=${rateText(limit)}`)
      return rates.length === 0 ? 'none' : rates.join(' ')
    },
  }
}

function countOrNone(column: string, max: number, wording: Wording): TenantSetting<number | null> {
  return {
    ...wording,
    isRight: true,
    initial: null,
    columns: [column],
    isRepeatable: false,
    toColumns: (value) => [value],
    fromColumns: ([value]) => value as number | null,
    parse: ([text = ''], label, read) => read.integerOrNone(label, text, 1, max),
    merge: (_, change) => change,
    isSame: (a, b) => a === b,
    print: (value) => value?.toString() ?? 'none',
  }
}

function choice<T extends string>(
  column: string,
  of: readonly T[],
  initial: T,
  wording: Wording,
): TenantSetting<T> {
  return {
    ...wording,
    initial,
    columns: [column],
    isRepeatable: false,
    toColumns: (value) => [value],
    fromColumns: ([value]) => (value ?? initial) as T,
    parse: ([text = ''], label, read) => read.choice(label, text, of) ?? initial,
    merge: (_, change) => change,
    isSame: (a, b) => a === b,
    print: (value) => value,
  }
}
