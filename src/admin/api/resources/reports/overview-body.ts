import { z } from '@hono/zod-openapi'
import { TIME } from '../../operation.ts'

const COUNTS = z.record(z.string(), z.int())
const REASONS = z.array(z.strictObject({ code: z.string(), detail: z.string() }))
const DATABASE_STATE = z.enum(['there', 'away', 'unknown'])

/** The answer of GET /overview: readiness, and the live numbers of `Overview`. */
export const OVERVIEW = z
  .strictObject({
    ready: z.boolean(),
    reasons: REASONS,
    warnings: REASONS.optional(),
    version: z.string(),
    instance: z.string().openapi({ description: 'Totals start anew with another one.' }),
    uptimeMs: z.number().openapi({ description: 'The clock to divide differences of totals by.' }),
    requests: z.strictObject({
      total: z.int(),
      byOutcome: COUNTS,
      inFlight: z.int(),
      connections: z.int(),
      upgradedConnections: z.int(),
      bytesReceived: z.int(),
      bytesSent: z.int(),
    }),
    limits: z.strictObject({ refusals: COUNTS, inFlightTenants: z.int() }),
    accessLog: z.strictObject({
      writerMode: z.string(),
      accepted: z.int(),
      stored: z.int(),
      spilled: z.int(),
      quarantined: z.int(),
      buffered: z.int(),
      dropped: COUNTS,
      channelEntries: z.int(),
      capacityEntries: z.int(),
      channelBytes: z.int(),
      capacityBytes: z.int(),
      oldestUnflushedAgeMs: z.number(),
      consecutiveFailures: z.int(),
      pendingReplay: z.int().nullable().openapi({ description: 'Entries on disk; null without a spill.' }),
      canary: z.strictObject({ roundTripMs: z.number().nullable(), ageMs: z.number() }).nullable(),
    }),
    directory: z.strictObject({ ageMs: z.number().nullable(), keys: z.int(), tenants: z.int() }),
    database: z.strictObject({
      state: DATABASE_STATE,
      sinceMs: z.number(),
      silentMs: z.number().nullable(),
      error: z.string().nullable().openapi({ description: 'Code of the newest failure.' }),
      since: TIME,
      isStoring: z.boolean(),
    }),
    workers: z
      .array(
        z.strictObject({
          worker: z.int(),
          pid: z.int(),
          instance: z.string().nullable(),
          state: z.enum(['starting', 'serving', 'leaving', 'ended']),
          isReady: z.boolean(),
          connections: z.int(),
          requests: z.int().nullable(),
          database: DATABASE_STATE.nullable(),
        }),
      )
      .optional()
      .openapi({ description: 'Of a gateway of several processes; the figures above are their sums.' }),
  })
  .openapi('Overview')
