import { z } from '@hono/zod-openapi'
import { TIME_ZONE_FORM, TimeZone } from '../../../model/time-zone.ts'
import { readClock } from '../../../store/entries/retention.ts'
import { readSeries, type SeriesPoint } from '../../../store/figures/series.ts'
import { topPackages } from '../../../store/figures/top-packages.ts'
import {
  groupUsage,
  previousPeriod,
  USAGE_DIMENSIONS,
  USAGE_FIGURES,
  type UsageDimension,
  type UsageGroup,
} from '../../../store/figures/usage-groups.ts'
import type { Sql } from '../../../store/sql.ts'
import { timeAt } from '../../parameters.ts'
import { windowOf } from '../../window.ts'
import { MOMENT, SLUG } from '../fields.ts'
import { json, operation, tenantScope, TIME, type Api } from '../operation.ts'
import { ApiError } from '../problems.ts'
import type { ApiSources } from '../sources.ts'

const MAX_DAYS = 732
/** Groups of one answer: 4 MB. */
const MAX_GROUPS = 10_000
/** Points of a series, unless a step is asked for. */
const WANTED_POINTS = 120
const STEPS_MINUTES = [1, 5, 15, 60, 240, 1440] as const

const WINDOW = { since: MOMENT.default('24h'), until: MOMENT.optional() }
const DURATION = z.number().nullable().openapi({ description: 'Microseconds, 4.4 % off at most.' })

const POINT = z.object({
  at: TIME,
  key: z.string().nullable(),
  requests: z.int(),
  bytesReceived: z.int(),
  bytesSent: z.int(),
  p50: DURATION,
  p95: DURATION,
  p99: DURATION,
})

const SERIES = z
  .object({
    since: TIME,
    until: TIME,
    stepMinutes: z.int().nullable(),
    isComplete: z
      .boolean()
      .openapi({ description: 'False while figures of the window are still being computed.' }),
    keptSince: TIME.nullable().openapi({
      description:
        'Since when figures of so short a step are kept, where the window begins before: earlier points are missing, ask for a longer step. Else null.',
    }),
    points: z
      .array(POINT)
      .openapi({ description: 'By time and key; points without a request are left out.' }),
  })
  .openapi('Series')

const GROUP = z.record(z.string(), z.union([z.number(), z.string(), z.null()])).openapi({
  description: `The values of the dimensions that were asked for, and ${USAGE_FIGURES.join(', ')}.`,
})

const GROUPS = z
  .object({
    since: TIME,
    until: TIME,
    isComplete: z.boolean(),
    groups: z.array(GROUP),
    previous: z
      .array(GROUP)
      .nullable()
      .openapi({ description: 'The window of the same length before, where asked for.' }),
  })
  .openapi('UsageGroups')

const PACKAGES = z
  .object({
    since: TIME,
    until: TIME,
    packages: z.array(
      z.object({
        ecosystem: z.string().nullable(),
        package: z.string(),
        requests: z.int(),
        downloads: z.int(),
        bytesSent: z.int(),
      }),
    ),
  })
  .openapi('TopPackages')

const TIME_ZONE = z
  .string()
  .refine((name) => TimeZone.named(name) !== null, { error: `must be ${TIME_ZONE_FORM}` })
  .openapi({ example: 'Pacific/Auckland' })

const DIMENSIONS = z
  .string()
  .transform((text) => (text === 'all' ? [] : (text.split(',') as UsageDimension[])))
  .refine((names) => names.every((name) => USAGE_DIMENSIONS.includes(name)), {
    error: `a list of ${USAGE_DIMENSIONS.join(', ')}, with commas, or all for one group`,
  })
  .refine((names) => new Set(names).size === names.length, { error: 'must name nothing twice' })
  .refine((names) => !(names.includes('day') && names.includes('month')), {
    error: 'must not name both day and month',
  })
  .openapi({ type: 'string', example: 'tenant,route' })

const TAGS = ['figures']

/** GET /figures/series, /figures/groups and /figures/packages: of the roll-ups, and of rows for what is not over. */
export function addFigures(api: Api, sources: ApiSources): void {
  addSeries(api, sources)
  addGroups(api, sources)
  addPackages(api, sources)
}

function addSeries(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: true },
      {
        method: 'get',
        path: '/figures/series',
        operationId: 'readSeries',
        tags: TAGS,
        description: 'Requests, bytes and percentiles over time. Series of a tenant are by class or tenant.',
        request: {
          query: z.strictObject({
            ...WINDOW,
            tenant: SLUG.optional(),
            route: SLUG.optional(),
            by: z.enum(['class', 'outcome', 'route', 'tenant']).optional(),
            step: z
              .enum(['auto', 'none', ...STEPS_MINUTES.map((minutes) => `${minutes}m` as const)])
              .default('auto')
              .openapi({ description: 'Minutes of a point; `none` for one of all.' }),
            percentiles: z.enum(['true', 'false']).default('false'),
          }),
        },
        responses: { 200: json(SERIES, 'The series') },
      },
    ),
    async (c) => {
      const { since, until, tenant: asked, route, by, step, percentiles } = c.req.valid('query')
      const tenant = tenantScope(c, asked)
      if (
        (tenant !== undefined || by === 'tenant') &&
        (route !== undefined || by === 'route' || by === 'outcome')
      )
        throw ApiError.ofField('by', 'must be class or tenant for a tenant, without a route')
      const window = await windowByClock(reader, since, until)
      const stepMinutes = stepOf(step, window.until.getTime() - window.since.getTime())
      const { points, isComplete, keptSince } = await readSeries(reader, {
        ...window,
        ...(tenant === undefined ? {} : { tenant }),
        ...(route === undefined ? {} : { route }),
        ...(by === undefined ? {} : { by }),
        stepMinutes,
        hasPercentiles: percentiles === 'true',
      })
      const kept = keptSince?.toISOString() ?? null
      return c.json(
        { ...windowBody(window), stepMinutes, isComplete, keptSince: kept, points: points.map(pointBody) },
        200,
      )
    },
  )
}

function addGroups(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: true },
      {
        method: 'get',
        path: '/figures/groups',
        operationId: 'groupUsage',
        tags: TAGS,
        description: 'Usage by any of its dimensions: as `waybill usage --by`.',
        request: {
          query: z.strictObject({
            ...WINDOW,
            tenant: SLUG.optional(),
            route: SLUG.optional(),
            by: DIMENSIONS,
            only: z.enum(['refused', 'limited', 'failed']).optional(),
            sort: z
              .enum([...USAGE_FIGURES, 'by'])
              .default('requests')
              .openapi({ description: 'A figure; `by` for the order of the dimensions.' }),
            order: z.enum(['asc', 'desc']).default('desc'),
            timezone: TIME_ZONE.optional().openapi({ description: 'Of days and months; UTC unless told.' }),
            limit: z.coerce.number().int().min(1).max(MAX_GROUPS).default(20).openapi({ type: 'integer' }),
            previous: z.enum(['true', 'false']).default('false'),
          }),
        },
        responses: { 200: json(GROUPS, 'The most first') },
      },
    ),
    async (c) => {
      const {
        since,
        until,
        tenant: asked,
        route,
        by,
        only,
        sort,
        order,
        timezone,
        limit,
        previous,
      } = c.req.valid('query')
      const tenant = tenantScope(c, asked)
      const window = await windowByClock(reader, since, until)
      const query = {
        ...window,
        ...(tenant === undefined ? {} : { tenant }),
        ...(route === undefined ? {} : { route }),
        ...(only === undefined ? {} : { only }),
        by,
        ...(sort === 'by' ? {} : { sort: { by: sort, isAscending: order === 'asc' } }),
        ...(timezone === undefined ? {} : { timeZone: TimeZone.named(timezone) ?? TimeZone.UTC }),
        limit,
      }
      const { groups, isComplete } = await groupUsage(reader, query)
      const before = previous === 'true' ? (await groupUsage(reader, previousPeriod(query))).groups : null
      const body = {
        ...windowBody(window),
        isComplete,
        groups: groups.map(groupBody),
        previous: before?.map(groupBody) ?? null,
      }
      return c.json(body, 200)
    },
  )
}

function addPackages(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(
      { role: 'viewer', isForTenants: false },
      {
        method: 'get',
        path: '/figures/packages',
        operationId: 'topPackages',
        tags: TAGS,
        description: 'The packages most asked for, in whole hours, or whole days of more than a week.',
        request: {
          query: z.strictObject({
            ...WINDOW,
            limit: z.coerce.number().int().min(1).max(1000).default(20).openapi({ type: 'integer' }),
          }),
        },
        responses: { 200: json(PACKAGES, 'The most first') },
      },
    ),
    async (c) => {
      const { since, until, limit } = c.req.valid('query')
      const window = await windowByClock(reader, since, until)
      const found = await topPackages(reader, { ...window, limit })
      const packages = found.map(
        ({ ecosystem, package: name, requests, downloads, bytes_sent: bytesSent }) => ({
          ecosystem,
          package: name,
          requests,
          downloads,
          bytesSent,
        }),
      )
      return c.json({ ...windowBody(window), packages }, 200)
    },
  )
}

interface Window {
  readonly since: Date
  readonly until: Date
}

/** The window that is meant, by the database's clock. Throws a ParameterError for one that ends before it begins, or is too long. */
async function windowByClock(sql: Sql, since: string, until: string | undefined): Promise<Window> {
  const { databaseMs } = await readClock(sql, Date.now)
  const { parse } = timeAt(databaseMs)
  // Both were looked at before the time was known.
  const [from, to] = [parse(since), until === undefined ? null : parse(until)]
  const given = { ...(from === null ? {} : { since: from }), ...(to === null ? {} : { until: to }) }
  return windowOf(given, databaseMs, { defaultDays: 1, maxDays: MAX_DAYS })
}

/** Minutes of a point; null for one of all. */
function stepOf(step: string, lengthMs: number): number | null {
  if (step === 'none') return null
  if (step !== 'auto') return Number.parseInt(step, 10)
  const wanted = lengthMs / 60_000 / WANTED_POINTS
  return STEPS_MINUTES.find((minutes) => minutes >= wanted) ?? 1440
}

function windowBody({ since, until }: Window): { since: string; until: string } {
  return { since: since.toISOString(), until: until.toISOString() }
}

function pointBody(point: SeriesPoint): z.infer<typeof POINT> {
  const { at, key, requests, bytes_received: bytesReceived, bytes_sent: bytesSent, p50, p95, p99 } = point
  return { at: at.toISOString(), key, requests, bytesReceived, bytesSent, p50, p95, p99 }
}

function groupBody(group: UsageGroup): z.infer<typeof GROUP> {
  return { ...group }
}
