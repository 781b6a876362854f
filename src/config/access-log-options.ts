import { bytes, integer, milliseconds, onOff, type Row } from './option-rows.ts'

const DAY_MS = 86_400_000
const MIB = 1024 ** 2

/** How entries are stored, spilled and kept: `accessLog.…` and `spill.…`. */
export const ACCESS_LOG_OPTIONS = {
  'accessLog.capacityEntries': integer(
    65_536,
    4096,
    16_777_216,
    'Entries that the channel holds; beyond, entries are dropped and counted',
  ),
  'accessLog.capacityBytes': bytes(
    96 * MIB,
    MIB,
    64 * 1024 * MIB,
    'Bytes (estimated) that the channel holds',
  ),
  'accessLog.flushEntries': integer(128, 1, 65_536, 'A batch is copied as soon as this many entries wait …'),
  'accessLog.flushIntervalMs': milliseconds(2000, 10, 60_000, '… or the oldest has waited this long'),
  'accessLog.maxBatchEntries': integer(4096, 1, 65_536, 'Largest batch in entries'),
  'accessLog.maxBatchBytes': bytes(4 * MIB, 64 * 1024, 256 * MIB, 'Largest batch in encoded bytes'),
  'accessLog.copyTimeoutMs': milliseconds(
    10_000,
    100,
    600_000,
    'A COPY or connect that takes longer is given up; the ledger tells whether it was stored',
  ),
  'accessLog.backoffMinMs': milliseconds(
    100,
    1,
    60_000,
    'First wait after a failed COPY; doubles, with jitter',
  ),
  'accessLog.backoffMaxMs': milliseconds(5000, 1, 600_000, 'Longest wait between attempts'),
  'accessLog.journal': onOff(
    false,
    'Every entry is on disk at most 10 ms after its request, before its COPY: a kill loses no more than that',
  ),
  'accessLog.spillAfterMs': milliseconds(
    1000,
    10,
    600_000,
    'A batch goes to disk this long after its first failure, or when the database has been silent for three times as long (once, with the channel half full)',
  ),
  'spill.maxBytes': bytes(
    1024 * MIB,
    0,
    64 * 1024 * 1024 * MIB,
    'Bytes of access entries on disk, in stateDir/spill, while the database is away; 0 turns the spill off',
  ),
  'spill.timeoutMs': milliseconds(
    2000,
    10,
    600_000,
    'A disk that has not taken a batch after this long counts as full until it answers',
  ),
  'spill.syncIntervalMs': milliseconds(
    100,
    1,
    60_000,
    'What was spilled or journalled is forced onto the medium after this long; only a crash of the machine can lose it',
  ),
  'accessLog.canaryIntervalMs': milliseconds(
    10_000,
    0,
    3_600_000,
    "How often an entry of the gateway's own measures the way into the database; 0 turns it off",
  ),
  'accessLog.stuckAfterMs': milliseconds(
    60_000,
    0,
    DAY_MS,
    '/healthz answers 503 when the access log has taken no step for this long, or twice its longest permitted wait if that is more, although entries wait; 0 turns it off',
  ),
  'accessLog.retentionDays': integer(
    30,
    1,
    36_500,
    'Daily partitions older than this are dropped; the longest of all gateways counts, unless `waybill retention set` has said otherwise',
    { actsOn: 'restart' },
  ),
  'accessLog.partitionsAheadDays': integer(7, 1, 365, 'Daily partitions are made this many days ahead', {
    actsOn: 'restart',
  }),

  'accessLog.ledgerDays': integer(
    90,
    1,
    36_500,
    'Ledger rows older than this, whose entries retention has dropped, are summed up: one row for each process life',
    { actsOn: 'restart' },
  ),
  'accessLog.livesDays': integer(
    800,
    1,
    36_500,
    'Process lives that ended in order longer ago than this, with nothing amiss, are summed up together',
    { actsOn: 'restart' },
  ),
} as const satisfies Record<string, Row<unknown>>
