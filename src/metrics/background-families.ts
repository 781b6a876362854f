import type { HistogramReading } from '../lib/histogram.ts'
import { WATCHED_LOOPS, WRITER_MODES, type WriterStats } from '../model/stats.ts'
import { AUDIT_FAMILIES } from './audit-families.ts'
import { EVENT_FAMILIES } from './event-families.ts'
import { byKey, histogramSamples, single, type Family, type Reading, type TenantCounts } from './family.ts'

/** The access log's way to Postgres, the directory, the build. */
export const BACKGROUND_FAMILIES: readonly Family[] = [
  single('gauge', 'waybill_channel_entries', 'Access entries waiting', (r) => r.channel.size),
  single(
    'gauge',
    'waybill_channel_bytes',
    'Estimated bytes of the access entries waiting',
    (r) => r.channel.bytes,
  ),
  single(
    'gauge',
    'waybill_channel_capacity_entries',
    'Access entries that the channel can hold',
    (r) => r.channel.capacityEntries,
  ),
  single(
    'gauge',
    'waybill_channel_capacity_bytes',
    'Bytes that the channel can hold',
    (r) => r.channel.capacityBytes,
  ),
  single(
    'gauge',
    'waybill_channel_reserved_entries',
    'Places promised to entries of strict tenants: of requests in flight, and waiting',
    (r) => r.channel.reserved,
  ),
  single(
    'gauge',
    'waybill_channel_blocked',
    '1 while neither Postgres nor the disk takes entries: strict tenants are refused',
    (r) => (r.channel.isBlocked ? 1 : 0),
    'max',
  ),
  single(
    'counter',
    'waybill_channel_accepted_total',
    'Access entries that reached the channel, kept or dropped: one for each request that ended, and the canaries',
    (r) => r.totals.accepted,
  ),
  byKey(
    'counter',
    ['waybill_channel_dropped_total', 'reason'],
    'Access entries lost, by reason',
    (r) => r.totals.dropped,
  ),
  byKey('gauge', ['waybill_writer_mode', 'mode'], '1 for the mode that the access log writer is in', (r) =>
    Object.fromEntries(WRITER_MODES.map((mode) => [mode, r.writer.mode === mode ? 1 : 0])),
  ),
  byKey(
    'counter',
    ['waybill_writer_batches_total', 'trigger'],
    'Batches stored, by what triggered them',
    (r) => r.writer.triggers,
  ),
  single(
    'counter',
    'waybill_writer_entries_stored_total',
    'Access entries acknowledged by Postgres',
    (r) => r.totals.stored,
  ),
  single(
    'gauge',
    'waybill_writer_buffered_entries',
    'Access entries neither stored nor dropped yet: in the channel or in the batch in hand',
    (r) => r.totals.buffered,
  ),
  single('counter', 'waybill_writer_bytes_total', 'Encoded bytes stored', (r) => r.writer.bytes),
  single(
    'counter',
    'waybill_writer_retries_total',
    'Attempts to store a batch after the first',
    (r) => r.writer.retries,
  ),
  single(
    'counter',
    'waybill_writer_already_stored_total',
    'Batches that a retry found stored: the acknowledgement had been lost',
    (r) => r.writer.alreadyStored,
  ),
  single(
    'counter',
    'waybill_writer_row_mismatches_total',
    'Batches of which Postgres counted other rows than were sent: a fault of the product',
    (r) => r.writer.rowMismatches,
  ),
  single(
    'counter',
    'waybill_writer_foreign_batches_total',
    'Batches whose number was taken by another process under the same id, stored under an id of their own',
    (r) => r.writer.foreign,
  ),
  {
    type: 'histogram',
    name: 'waybill_writer_copy_duration_seconds',
    help: 'One COPY with its commit',
    labels: [],
    read: (r) =>
      histogramSamples('waybill_writer_copy_duration_seconds', {}, inSeconds(r.writer.copyDurations)),
  },
  single(
    'gauge',
    'waybill_writer_oldest_unflushed_age_seconds',
    'Age of the oldest access entry that is not in Postgres',
    (r) => r.writer.oldestUnflushedAgeMs / 1000,
    'max',
  ),
  single(
    'gauge',
    'waybill_writer_consecutive_failures',
    'Failed attempts since the last success',
    (r) => r.writer.consecutiveFailures,
    'max',
  ),
  single(
    'counter',
    'waybill_writer_quarantined_total',
    'Access entries that Postgres refused and that wait in the quarantine table',
    (r) => r.totals.quarantined,
  ),
  single(
    'counter',
    'waybill_writer_replayed_total',
    'Access entries stored from the spill, those of dead processes included',
    (r) => r.writer.replayed,
  ),
  single(
    'gauge',
    'waybill_writer_database_away',
    '1 while batches go to the spill',
    (r) => (r.writer.isAway ? 1 : 0),
    'max',
  ),
  byKey(
    'gauge',
    ['waybill_writer_stuck', 'loop'],
    '1 while a loop of the access log takes no step although entries wait for it; then /healthz answers 503',
    (r) =>
      Object.fromEntries(WATCHED_LOOPS.map((loop) => [loop, r.vitals.stuckLoops.includes(loop) ? 1 : 0])),
    'max',
  ),
  ...AUDIT_FAMILIES,
  ...EVENT_FAMILIES,
  single(
    'gauge',
    'waybill_canary_round_trip_seconds',
    'From push to commit, of the newest canary entry that arrived; absent before the first and when it is off',
    (r) => {
      const roundTripMs = r.vitals.canary?.roundTripMs ?? null
      return roundTripMs === null ? null : roundTripMs / 1000
    },
    'max',
  ),
  single(
    'gauge',
    'waybill_canary_age_seconds',
    'Since the newest canary entry that arrived was sent, before the first since the start; absent when it is off',
    (r) => (r.vitals.canary === null ? null : r.vitals.canary.ageMs / 1000),
    'max',
  ),
  single(
    'counter',
    'waybill_canary_sent_total',
    'Canary entries, which are accepted like any other entry; absent when it is off',
    (r) => r.vitals.canary?.sent ?? null,
  ),
  single(
    'counter',
    'waybill_canary_lost_total',
    'Canary entries that were dropped or refused; absent when it is off',
    (r) => r.vitals.canary?.lost ?? null,
  ),
  single(
    'gauge',
    'waybill_spill_entries',
    'Access entries of this process on disk, not yet in Postgres',
    (r) => r.totals.spilled,
  ),
  single(
    'gauge',
    'waybill_spill_pending_entries',
    'Access entries that wait for their replay, those of dead processes included; absent without a spill',
    (r) => r.writer.spill?.pendingEntries ?? null,
  ),
  single(
    'gauge',
    'waybill_spill_bytes',
    'Bytes of segments on disk, those of other processes included; absent without a spill',
    (r) => (r.writer.spill === null ? null : r.writer.spill.bytes + r.writer.spill.foreignBytes),
    'max',
  ),
  single(
    'gauge',
    'waybill_spill_capacity_bytes',
    'Bytes that the spill may take; absent without one',
    (r) => r.writer.spill?.maxBytes ?? null,
    'max',
  ),
  single(
    'gauge',
    'waybill_spill_room_seconds',
    'How long an outage the remaining room can take at the present rate; absent without a spill or without traffic',
    roomSeconds,
    'parallel',
  ),
  single(
    'counter',
    'waybill_spill_refused_total',
    'Batches that the disk or the bound refused; absent without a spill',
    (r) => r.writer.spill?.refused ?? null,
  ),
  single(
    'counter',
    'waybill_spill_damaged_total',
    'Damaged places met in segments; absent without a spill',
    (r) => r.writer.spill?.damaged ?? null,
  ),
  byKey(
    'gauge',
    ['waybill_spill_aside', 'what'],
    'Segments that cannot be read, batches that PostgreSQL fails with while it takes others, files of dead processes that cannot be taken over',
    ({ writer: { spill } }) => ({
      segments: spill?.aside.segments ?? 0,
      batches: spill?.aside.batches ?? 0,
      files: spill?.aside.files ?? 0,
    }),
  ),
  single(
    'gauge',
    'waybill_spill_aside_entries',
    'Access entries in what is set aside, as far as known; absent without a spill',
    (r) => r.writer.spill?.aside.entries ?? null,
  ),
  single(
    'gauge',
    'waybill_database_up',
    '1 while the database answers',
    (r) => (r.database.state === 'there' ? 1 : 0),
    'min',
  ),
  single(
    'gauge',
    'waybill_database_silence_seconds',
    'Since the database answered last; absent before the first answer',
    (r) => (r.database.silentMs === null ? null : r.database.silentMs / 1000),
    'max',
  ),
  single(
    'gauge',
    'waybill_directory_age_seconds',
    'Since the last successful look at the database; absent before the first load',
    (r) => (r.directory.ageMs === null ? null : r.directory.ageMs / 1000),
    'max',
  ),
  single(
    'gauge',
    'waybill_directory_recalled',
    '1 while the snapshot on disk decides, because the database has not been reached since the start',
    (r) => (r.directory.isRecalled ? 1 : 0),
    'max',
  ),
  single(
    'counter',
    'waybill_directory_keep_failures_total',
    'Snapshots, and notes of what was taken away, that could not be written to disk',
    (r) => r.directory.keepFailures,
  ),
  single(
    'gauge',
    'waybill_clock_offset_seconds',
    "This machine's clock minus the database's; absent before the first look at the database",
    (r) => (r.directory.clockOffsetMs === null ? null : r.directory.clockOffsetMs / 1000),
    'max',
  ),
  single('gauge', 'waybill_directory_keys', 'Keys in the snapshot', (r) => r.directory.keys, 'min'),
  single('gauge', 'waybill_rules_active', 'Rules in force', (r) => r.directory.rules, 'min'),
  single('gauge', 'waybill_directory_tenants', 'Tenants in the snapshot', (r) => r.directory.tenants, 'min'),
  single(
    'counter',
    'waybill_directory_refreshes_total',
    'Successful incremental refreshes',
    (r) => r.directory.refreshes,
  ),
  single(
    'counter',
    'waybill_directory_failures_total',
    'Failed looks at the database',
    (r) => r.directory.failures,
  ),
  single(
    'counter',
    'waybill_directory_full_loads_total',
    'Loads of all tenants and keys',
    (r) => r.directory.fullLoads,
  ),
  single(
    'counter',
    'waybill_directory_notifications_total',
    'Notifications of a change',
    (r) => r.directory.notifications,
  ),
  single(
    'gauge',
    'waybill_directory_listening',
    '1 while notifications can arrive',
    (r) => (r.directory.isListening ? 1 : 0),
    'min',
  ),
  single(
    'gauge',
    'waybill_directory_pending_uses',
    'Keys whose last use is yet to be written',
    (r) => r.directory.pendingUses,
  ),
  byKey(
    'gauge',
    ['waybill_build_info', 'version'],
    'Always 1; the label tells the version that runs',
    (r) => ({
      [r.version]: 1,
    }),
    'max',
  ),
]

/** Only there when `metrics.tenantLabels` is not 0. */
export const TENANT_FAMILIES: readonly Family[] = [
  byTenant('waybill_tenant_requests_total', 'Requests that ended', (tenant) => tenant.requests),
  byTenant('waybill_tenant_dropped_total', 'Access entries lost', (tenant) => tenant.dropped),
]

function byTenant(name: string, help: string, read: (tenant: TenantCounts) => number): Family {
  return {
    type: 'counter',
    name,
    help,
    labels: ['tenant'],
    read: (reading) =>
      [...reading.tenants].map(([tenant, stats]) => ({ value: read(stats), labels: { tenant } })),
  }
}

/** The writer counts in milliseconds, Prometheus in seconds. */
function inSeconds({ boundsMs, counts, sumMs }: WriterStats['copyDurations']): HistogramReading {
  return {
    boundsSeconds: boundsMs.map((ms) => ms / 1000),
    counts: Float64Array.from(counts),
    sumSeconds: sumMs / 1000,
  }
}

function roomSeconds({ writer }: Reading): number | null {
  const { spill, sealedBytesPerSecond } = writer
  if (spill === null || sealedBytesPerSecond <= 0) return null
  return Math.max(0, spill.maxBytes - spill.bytes - spill.foreignBytes) / sealedBytesPerSecond
}
