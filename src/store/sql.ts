import type { Socket } from 'node:net'
import postgres from 'postgres'
import { actorSettings, type Actor } from '../model/audit/actor.ts'
import type { DatabaseTarget } from '../model/database-target.ts'
import { sessionStatement } from '../model/session-settings.ts'
import { ARRAY_TYPES } from './array-types.ts'
import { DatabaseSockets } from './database-sockets.ts'

/** A pool of connections with postgres.js' tagged templates. Every value goes as a parameter. */
export type Sql = postgres.Sql

/** A transaction on one connection of an `Sql`. */
export type TransactionSql = postgres.TransactionSql

/** A part of a statement, to be put into a tagged template. */
export type SqlFragment = postgres.Fragment

/** Short statements of the control plane; nothing there may hold a connection longer. */
const CONTROL_STATEMENT_TIMEOUT_MS = 10_000

const LOCK_TIMEOUT_MS = 3000

/** A connection without a query in flight is closed after this; the silence bound has to be longer. */
const IDLE_TIMEOUT_MS = 10_000

const CONNECT_TIMEOUT_MS = 5000

/** Connections of a handle at most, unless told. */
export const HANDLE_CONNECTIONS = 4

export interface ControlOptions {
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string
  /** Connections at most; 4 unless told. */
  readonly max?: number
  /** Whose changes they are, for the admin log; without one it says that they are SQL of the role. */
  readonly actor?: Actor
  /** For migrations: statements may take as long as they need, and so may the silence of a connection. */
  readonly hasLongStatements?: boolean
  /** For a connection that listens: never closed for idleness or age, and its silence is not bounded. */
  readonly isKeptOpen?: boolean
  /** Called for each notification of a channel that was listened to on this handle (use `max: 1`). */
  readonly onNotify?: (channel: string) => void
  /** Called when a connection of this handle has closed, for any reason. */
  readonly onClose?: () => void
}

/**
 * Opens the control plane's handle: keys, tenants, partitions; at most 4 connections, made at the first query. Never throws;
 * queries reject while the database is away. Close with `closeSql`.
 */
export function openControl(target: DatabaseTarget, options: ControlOptions = {}): Sql {
  const statementTimeoutMs = options.hasLongStatements === true ? 0 : CONTROL_STATEMENT_TIMEOUT_MS
  return open(target, {
    applicationName: options.applicationName ?? 'waybill control',
    max: options.max ?? HANDLE_CONNECTIONS,
    actor: options.actor,
    statementTimeoutMs,
    isReadOnly: false,
    isKeptOpen: options.isKeptOpen ?? false,
    onNotify: options.onNotify,
    onClose: options.onClose,
  })
}

/**
 * Opens the handle of listings and reports: transactions are read only and statements bounded, so that a slow report ends
 * by itself. Close with `closeSql`.
 */
export function openReader(
  target: DatabaseTarget,
  options: { readonly statementTimeoutMs: number; readonly max?: number },
): Sql {
  return open(target, {
    applicationName: 'waybill reader',
    max: options.max ?? HANDLE_CONNECTIONS,
    actor: undefined,
    statementTimeoutMs: options.statementTimeoutMs,
    isReadOnly: true,
    isKeptOpen: false,
    onNotify: undefined,
    onClose: undefined,
  })
}

/**
 * Closes a handle: queries under way may finish within `timeoutMs`, then every socket is destroyed. Resolves in bounded time
 * even when the server is frozen; a second call is harmless.
 */
export async function closeSql(sql: Sql, timeoutMs: number): Promise<void> {
  await sql.end({ timeout: timeoutMs / 1000 })
  SOCKETS.get(sql)?.destroy()
}

/**
 * Runs `work` in a transaction of its own, or, within one, in a part of it that is taken back alone. So that a function of the store may be
 * called with either.
 */
export async function inTransaction<T>(
  sql: Sql | TransactionSql,
  work: (tx: TransactionSql) => Promise<T>,
): Promise<T> {
  const boxed = async (tx: TransactionSql): Promise<{ readonly value: T }> => ({ value: await work(tx) })
  // postgres.js' types have `begin` in both.
  const result = 'begin' in sql ? await sql.begin(boxed) : await sql.savepoint(boxed)
  return (result as { value: T }).value
}

/** The SQLSTATE of an error that the server reported (PostgreSQL manual, appendix A), else null. */
export function sqlStateOf(error: unknown): string | null {
  return error instanceof postgres.PostgresError ? error.code : null
}

interface OpenSettings {
  readonly applicationName: string
  readonly max: number
  readonly actor: Actor | undefined
  /** 0 for none. */
  readonly statementTimeoutMs: number
  readonly isReadOnly: boolean
  readonly isKeptOpen: boolean
  readonly onNotify: ((channel: string) => void) | undefined
  readonly onClose: (() => void) | undefined
}

/** postgres.js takes these two as well, but does not declare them (3.4.9, src/index.js parseOptions). */
interface UndeclaredOptions {
  socket: () => Socket | Promise<Socket>
  onnotify: (channel: string) => void
}

/** The sockets behind each handle: postgres.js itself never destroys one, it waits for the server to close. */
const SOCKETS = new WeakMap<Sql, DatabaseSockets>()

function open(target: DatabaseTarget, settings: OpenSettings): Sql {
  const isSilenceBounded = settings.statementTimeoutMs > 0 && !settings.isKeptOpen
  const maxSilenceMs = isSilenceBounded ? Math.max(settings.statementTimeoutMs, IDLE_TIMEOUT_MS) + 5000 : 0
  const statement = sessionStatement({
    statement_timeout: settings.statementTimeoutMs,
    // A statement that waits for a lock makes others queue behind it: DDL most of all.
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: 60_000,
    ...(settings.isReadOnly ? { default_transaction_read_only: 'on' } : {}),
    ...(settings.actor === undefined ? {} : actorSettings(settings.actor)),
  })
  const connectTimeoutMs = CONNECT_TIMEOUT_MS
  const sockets = new DatabaseSockets(target, { connectTimeoutMs, maxSilenceMs, statement })
  const { onNotify, onClose } = settings
  const options: postgres.Options<Record<string, postgres.PostgresType>> & UndeclaredOptions = {
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    // A function: an absent password shall not be looked for in the environment.
    password: () => target.password ?? '',
    ssl: false, // DatabaseSockets does it
    max: settings.max,
    connect_timeout: CONNECT_TIMEOUT_MS / 1000,
    idle_timeout: settings.isKeptOpen ? undefined : IDLE_TIMEOUT_MS / 1000,
    ...(settings.isKeptOpen ? { max_lifetime: null } : {}),
    // Named prepared statements do not survive a pooler in transaction mode (pgbouncer before 1.21); the statements here are
    // rare enough that planning each time does not matter.
    prepare: false,
    // 1 s at most between attempts to connect: callers have back-off of their own.
    backoff: (attempt: number) => Math.min(0.05 * 2 ** Math.min(attempt, 10), 1) * (0.5 + Math.random() / 2),
    // Counters and byte sums are far below 2^53.
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String }, ...ARRAY_TYPES },
    fetch_types: false, // see ARRAY_TYPES
    // All else is set by `statement`, which no pooler drops.
    connection: { application_name: settings.applicationName },
    // "already exists, skipping" and the like: postgres.js would print them.
    onnotice: () => {},
    onclose: () => onClose?.(),
    onnotify: (channel) => onNotify?.(channel),
    socket: () => sockets.open(),
  }
  const sql = postgres(options)
  SOCKETS.set(sql, sockets)
  return sql
}
