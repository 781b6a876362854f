import type {
  DirectoryChunk,
  DirectoryConnection,
  DirectoryPosition,
  DirectorySource,
  KeyRecord,
} from '../../directory/directory-source.ts'
import { systemClock } from '../../lib/time/clock.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import { DatabaseClock } from '../../lib/time/database-clock.ts'
import { type TenantGrant, tenantGrant, type TenantState } from '../../model/grant.ts'
import type { RuleRecord, RuleState } from '../../model/rules/rule.ts'
import { rateOf } from '../../model/rate-limit.ts'
import type { SigningKey } from '../../model/token/signing-key.ts'
import { SETTING_COLUMNS, settingsOfRow } from '../../model/tenant-settings.ts'
import { confirmFollower, removeFollower, type Follower } from './followers.ts'
import { readOrigin } from './origin.ts'
import { touchKeys } from './keys.ts'
import { closeSql, openControl, type Sql, sqlStateOf } from '../sql.ts'

const CHANNEL = 'waybill_directory'

const NO_NOTIFICATIONS: ReadonlySet<string> = new Set(['25006', '0A000', '55000'])

/** Rows that are turned into grants at a stretch: some 5 ms, then the event loop serves requests again. */
const CHUNK_ROWS = 1000

/** One shape for both tables: a single statement reads them, and so a single snapshot of the database. */
interface DirectoryRow {
  type: 'moment' | 'tenant' | 'key' | 'signing' | 'rule'
  id: string
  version: number
  tenant: string
  digest: string
  state: TenantState | 'revoked' | 'disabled' | 'removed'
  /** Of a signing key: epoch milliseconds from which on it signs. */
  scopes: string
  networks: string
  expires_at_ms: number | null
  rate_per_second: number | null
  rate_burst: number | null
  /** Of a tenant, by column; of a rule what other rows have no column for. */
  settings: Readonly<Record<string, unknown>> | null
}

/**
 * The directory's source in PostgreSQL. Loading and listening have one connection of their own, so that nothing else
 * delays a revocation; uses, and what the follower has applied, are written through `control`. Each load tells `clock` the
 * database's time.
 */
export function openDirectorySource(
  target: DatabaseTarget,
  control: Sql,
  follower: Follower,
  clock = new DatabaseClock(),
): DirectorySource {
  return {
    connect: (events) => new PostgresDirectoryConnection(target, events, clock),
    writeUses: (uses) => touchKeys(control, uses),
    confirm: (position) => confirmFollower(control, follower, position),
    leave: () => removeFollower(control, follower.instance),
  }
}

class PostgresDirectoryConnection implements DirectoryConnection {
  readonly #sql: Sql
  readonly #clock: DatabaseClock

  constructor(
    target: DatabaseTarget,
    events: { readonly onHint: () => void; readonly onClose: () => void },
    clock: DatabaseClock,
  ) {
    this.#clock = clock
    // One connection for LISTEN and for the polls: the polls also prove that it still lives.
    this.#sql = openControl(target, {
      applicationName: 'waybill directory',
      max: 1,
      isKeptOpen: true,
      hasLongStatements: true, // the refresher bounds each call itself
      onNotify: (channel) => {
        if (channel === CHANNEL) events.onHint()
      },
      onClose: events.onClose,
    })
  }

  async listen(): Promise<boolean> {
    try {
      await this.#sql`LISTEN ${this.#sql(CHANNEL)}`
      return true
    } catch (error) {
      // A standby refuses it: read-only transaction, or not supported during recovery.
      if (NO_NOTIFICATIONS.has(sqlStateOf(error) ?? '')) return false
      throw error
    }
  }

  async load(since: string | null, onChunk: (chunk: DirectoryChunk) => void): Promise<DirectoryPosition> {
    // Before the rows: should the server change in between, the next load finds another origin.
    const origin = await readOrigin(this.#sql)
    let moment: DirectoryRow | undefined
    let failure: unknown = null
    const askedTick = this.#clock.tick()
    // The callback form: the iterator form of postgres.js 3.4.9 ends as if complete when the connection breaks between two
    // chunks, and half a directory would turn valid keys away. It waits for the callback's promise, undeclared, except for the
    // last one's: hence nothing may be thrown in there.
    // oxlint-disable-next-line typescript/no-misused-promises
    await selectDirectory(this.#sql, since).cursor(CHUNK_ROWS, async (rows) => {
      try {
        const first = moment === undefined ? rows.find((row) => row.type === 'moment') : undefined
        moment ??= first
        if (first?.expires_at_ms !== null && first !== undefined)
          this.#clock.observe(first.expires_at_ms, askedTick, this.#clock.tick())
        onChunk({
          tenants: rows.filter((row) => row.type === 'tenant').map(toTenant),
          keys: rows.filter((row) => row.type === 'key').map(toKeyRecord),
          signingKeys: rows.filter((row) => row.type === 'signing').map(toSigningKey),
          rules: rows.filter((row) => row.type === 'rule').map(toRule),
        })
      } catch (error) {
        failure ??= error
      }
      await systemClock.turn()
    })
    if (failure !== null) throw failure
    if (moment === undefined) throw new Error('the directory query returned no cursor')
    return { cursor: moment.id, origin, seen: moment.scopes }
  }

  async destroy(): Promise<void> {
    await closeSql(this.#sql, 0)
  }
}

const SETTINGS = `jsonb_build_object(${SETTING_COLUMNS.map((column) => `'${column}', t.${column}`).join(', ')})`

/**
 * Every row that may have changed since the cursor, and the next cursor. A transaction that was running when the cursor was taken
 * has an id at or above it, because the cursor is the oldest id then in progress (pg_snapshot_xmin, PostgreSQL manual
 * §9.27.9): whenever it commits, its rows are found. The upper bound leaves out ids that this server has yet to hand out,
 * which rows restored from another server's dump may bear: they would come with every poll. Why no sequence: docs/decisions/0040.
 *
 * Left out: what has been of no use for 90 days. Until then each refusal can name its own reason.
 */
function selectDirectory(sql: Sql, since: string | null) {
  const changed = (table: 't' | 'k' | 'r') =>
    since === null
      ? sql``
      : sql`AND ${sql(table)}.changed_xid >= ${since}::text::xid8
            AND ${sql(table)}.changed_xid < pg_snapshot_xmax(pg_current_snapshot())`
  return sql<DirectoryRow[]>`
    SELECT 'moment' AS type, pg_snapshot_xmin(pg_current_snapshot())::text AS id, 0::bigint AS version, '' AS tenant,
      '' AS digest, 'active' AS state, pg_current_snapshot()::text AS scopes, '' AS networks,
      extract(epoch FROM clock_timestamp())::float8 * 1000 AS expires_at_ms, -- the database's time
      NULL::float8 AS rate_per_second, NULL::int AS rate_burst, NULL::jsonb AS settings
    UNION ALL
    SELECT 'tenant', t.slug, t.version, '', '', t.state, '', '', NULL, NULL, NULL, ${sql.unsafe(SETTINGS)}
    FROM tenants t
    WHERE (t.state <> 'deleted' OR t.updated_at > now() - interval '90 days') ${changed('t')}
    UNION ALL
    SELECT 'signing', s.kid, 0, '', s.secret, 'active', (extract(epoch FROM s.active_from)::float8 * 1000)::text, '',
      extract(epoch FROM s.retires_at)::float8 * 1000, NULL, NULL, NULL
    FROM signing_keys s
    WHERE s.retires_at IS NULL OR s.retires_at > now() - interval '1 day'
    UNION ALL
    SELECT 'rule', r.id, r.version, '', r.package,
      CASE WHEN r.removed_at IS NOT NULL THEN 'removed' WHEN r.disabled_at IS NOT NULL THEN 'disabled' ELSE 'active' END,
      array_to_string(r.tenants, ' '), array_to_string(r.routes, ' '), extract(epoch FROM r.expires_at)::float8 * 1000, NULL, r.priority,
      jsonb_build_object('type', r.type, 'lookUp', r.look_up, 'keys', array_to_string(r.keys, ' '), 'action', r.action,
        'isDryRun', r.dry_run, 'reason', r.reason, 'reference', r.reference)
    FROM rules r
    WHERE ${since === null ? sql`r.removed_at IS NULL` : sql`true`} ${changed('r')}
    UNION ALL
    SELECT 'key', k.id, k.version, k.tenant, k.digest, CASE WHEN k.revoked_at IS NULL THEN 'active' ELSE 'revoked' END,
      array_to_string(k.scopes, ' '), array_to_string(k.allow_networks, ' '),
      extract(epoch FROM k.expires_at)::float8 * 1000, k.rate_per_second, k.rate_burst, NULL
    FROM api_keys k
    WHERE (k.revoked_at IS NULL OR k.revoked_at > now() - interval '90 days')
      AND (k.expires_at IS NULL OR k.expires_at > now() - interval '90 days') ${changed('k')}`
}

function toTenant({ id, state, version, settings }: DirectoryRow): TenantGrant {
  return tenantGrant({
    slug: id,
    state: state === 'active' || state === 'suspended' ? state : 'deleted',
    version,
    ...settingsOfRow(settings ?? {}),
  })
}

function toSigningKey({ id, digest, scopes, expires_at_ms: retiresAtMs }: DirectoryRow): SigningKey {
  return { kid: id, secret: digest, activeFromMs: Number(scopes), retiresAtMs }
}

/** A rule's row; its settings are written by `selectDirectory`. */
function toRule({ id, version, digest, state, scopes, networks, ...row }: DirectoryRow): RuleRecord {
  const settings = row.settings as unknown as Omit<RuleRecord, 'keys'> & { readonly keys: string }
  return {
    id,
    package: digest,
    type: settings.type,
    lookUp: settings.lookUp,
    tenants: wordsOf(scopes),
    routes: wordsOf(networks),
    keys: wordsOf(settings.keys),
    action: settings.action,
    isDryRun: settings.isDryRun,
    reason: settings.reason,
    reference: settings.reference,
    expiresAtMs: row.expires_at_ms,
    priority: row.rate_burst ?? 0,
    state: state as RuleState,
    version,
  }
}

const NO_WORDS: readonly string[] = []

function wordsOf(text: string): readonly string[] {
  return text === '' ? NO_WORDS : text.split(' ')
}

function toKeyRecord(row: DirectoryRow): KeyRecord {
  return {
    id: row.id,
    digest: row.digest,
    tenant: row.tenant,
    scopes: row.scopes,
    networks: row.networks,
    rateLimit: rateOf(row.rate_per_second, row.rate_burst),
    expiresAtMs: row.expires_at_ms,
    isRevoked: row.state === 'revoked',
    version: row.version,
  }
}
