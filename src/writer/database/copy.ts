import type { Socket } from 'node:net'
import { namedSocket } from '../../lib/host/system-names.ts'
import { Client, type ClientConfig } from 'pg'
import type { DatabaseTarget } from '../../model/database-target.ts'
import { DURABILITY_STATEMENT, type DurabilitySettings } from '../../model/durability.ts'
import { sessionStatement } from '../../model/session-settings.ts'
import { type Batch, type BatchStore, copyText, type StoreResult } from '../batch/batch.ts'
import { batchStatement, COPY_STATEMENT, isOfCount, PREPARE_COUNT } from './batch-statement.ts'
import { CopyRun } from './copy-run.ts'
import { isNumberTaken, isWordOfEnd, skippedRows, BatchError, toBatchError } from './failure.ts'
import { asSeparateLife } from '../batch/separate-life.ts'

/** Longest wait for a polite end of the connection. */
const CLOSE_TIMEOUT_MS = 1000

/** Longest wait for what follows an error of the server: it is ready again, or has closed the connection. */
const AFTERMATH_MS = 1000

export interface CopyOptions {
  /** Longest connect, and longest COPY; then the socket is destroyed. */
  readonly copyTimeoutMs: number
}

/**
 * The writer's one connection. Opened when first needed, given up after any error, and opened again by the next `store`.
 *
 * A batch and its ledger row go as one simple query, `INSERT …; COPY … FROM STDIN`: Postgres runs it as one implicit
 * transaction (manual §55.2.2.1), so both are there or neither is, without a round trip more than a bare COPY (docs/decisions/0020).
 */
export class CopyConnection implements BatchStore {
  readonly #target: DatabaseTarget
  readonly #copyTimeoutMs: number
  readonly #onSettings: (settings: DurabilitySettings) => void
  #session: Session | null = null

  /** `onSettings` is called with the settings in force in each connection; must be quick. */
  constructor(
    target: DatabaseTarget,
    options: CopyOptions,
    onSettings: (settings: DurabilitySettings) => void = () => {},
  ) {
    this.#target = target
    this.#onSettings = onSettings
    this.#copyTimeoutMs = options.copyTimeoutMs
  }

  /** See BatchStore. */
  async store(batch: Batch, more: readonly Batch[] = []): Promise<StoreResult> {
    try {
      const rows = await this.#use((session) => session.copy([batch, ...more]))
      return { state: 'stored', rows }
    } catch (error) {
      if (!isNumberTaken(error)) throw toBatchError(error)
      if (more.length > 0) return { state: 'already_stored', rows: batch.entries }
    }
    return await this.#settleNumber(batch)
  }

  /** The batch's number is taken: by itself, or by a batch of another process under our id. */
  async #settleNumber(batch: Batch): Promise<StoreResult> {
    if ((await this.storedAmong([batch])).has(batch)) return { state: 'already_stored', rows: batch.entries }
    const own = asSeparateLife(batch)
    try {
      const rows = await this.#use((session) => session.copy([own]))
      return { state: 'stored', rows, isForeign: true }
    } catch (error) {
      if (!isNumberTaken(error)) throw toBatchError(error)
      return { state: 'already_stored', rows: batch.entries, isForeign: true }
    }
  }

  /** See BatchStore. */
  async storedAmong(batches: readonly Batch[]): Promise<ReadonlySet<Batch>> {
    try {
      const digests = await this.#use((session) => session.storedDigests(batches))
      return new Set(batches.filter(({ number, digest }) => isDigestOf(digests.get(number), digest)))
    } catch (error) {
      throw toBatchError(error)
    }
  }

  /** See BatchStore. */
  async probe(batch: Batch): Promise<void> {
    try {
      await this.#use((session) => session.tryOut(batch))
    } catch (error) {
      throw toBatchError(error)
    }
  }

  async #use<T>(act: (session: Session) => Promise<T>): Promise<T> {
    if (this.#session?.isBroken === true) this.#session = null
    const session = (this.#session ??= new Session(this.#target, this.#copyTimeoutMs, this.#onSettings))
    try {
      return await act(session)
    } catch (error) {
      // After an error of COPY the protocol's state is not worth guessing: never use the connection again.
      session.destroy()
      this.#session = null
      throw error
    }
  }

  /** See BatchStore. */
  async close(): Promise<void> {
    const session = this.#session
    this.#session = null
    await session?.close()
  }

  /** See BatchStore. */
  destroy(): void {
    this.#session?.destroy()
    this.#session = null
  }
}

/** When the last entry of the batch started, for Postgres; null when it has none. */
function lastStart({ range }: Batch): string | null {
  return range === null ? null : new Date(range.lastStartedAtMs).toISOString()
}

interface LedgerDigest {
  readonly batch: string
  readonly digest: Buffer | null
}

/** Whether the ledger's row is that of the batch; one written before there were digests is taken for it. */
function isDigestOf(stored: Buffer | null | undefined, digest: Buffer): boolean {
  return stored !== undefined && (stored === null || stored.equals(digest))
}

/** One connection, from its opening to its first error. */
class Session {
  /** Ours, so that it can be destroyed at any stage, before and under TLS as well. */
  readonly #socket = namedSocket()
  readonly #client: Client
  readonly #timeoutMs: number
  readonly #onSettings: (settings: DurabilitySettings) => void
  #ready: Promise<unknown> | null = null
  #isBroken = false

  constructor(target: DatabaseTarget, timeoutMs: number, onSettings: (settings: DurabilitySettings) => void) {
    this.#timeoutMs = timeoutMs
    this.#onSettings = onSettings
    this.#client = new Client(clientConfig(target, this.#socket))
    // pg would take them from PGOPTIONS (8.23.1, lib/connection-parameters.js; its types hide the field).
    const parameters = this.#client as unknown as { connectionParameters: { options?: string } }
    delete parameters.connectionParameters.options
    // Without a listener a terminated backend ends the process. What was under way rejects on its own account.
    this.#client.on('error', () => this.destroy())
    this.#socket.on('close', () => {
      this.#isBroken = true
    })
  }

  get isBroken(): boolean {
    return this.#isBroken
  }

  /** Rows that Postgres counted. Rejects with the driver's error. */
  async copy(batches: readonly Batch[]): Promise<number> {
    await this.#connect()
    try {
      return await this.#copy(batchStatement(batches), batches)
    } catch (error) {
      throw isOfCount(error) ? skippedRows() : error
    }
  }

  /** Copies in a transaction that is rolled back, after what a commit would check. Rejects with the driver's error. */
  async tryOut(batch: Batch): Promise<void> {
    await this.#connect()
    await this.#bounded('BEGIN', this.#client.query('BEGIN'))
    const taken = await this.#copy(COPY_STATEMENT, [batch])
    if (taken < batch.entries) throw skippedRows(batch.entries - taken)
    await this.#bounded('SET CONSTRAINTS', this.#client.query('SET CONSTRAINTS ALL IMMEDIATE'))
    await this.#bounded('ROLLBACK', this.#client.query('ROLLBACK'))
  }

  async #copy(statement: string, batches: readonly Batch[]): Promise<number> {
    const run = new CopyRun(
      statement,
      batches.map((batch) => copyText(batch)),
    )
    this.#client.query(run)
    try {
      await this.#bounded('COPY', run.ended)
    } catch (error) {
      throw isWordOfEnd(error) ? toBatchError(error, await this.#isEnded()) : error
    }
    return await run.ended
  }

  /** After an error: whether the server has ended the connection with it. Its severity is told in the server's language only. */
  async #isEnded(): Promise<boolean> {
    if (this.#isBroken) return true
    return await new Promise((resolve) => {
      const end = (isEnded: boolean): void => {
        clearTimeout(timer)
        resolve(isEnded)
      }
      const timer = setTimeout(end, AFTERMATH_MS, false)
      this.#client.once('drain', () => end(false))
      this.#socket.once('close', () => end(true))
    })
  }

  /**
   * Digests that the ledger has under the numbers of the batches, all of one instance; null for one that is known to be in a
   * checkpoint, and no more. Rejects with the driver's error.
   */
  async storedDigests(batches: readonly Batch[]): Promise<Map<number, Buffer | null>> {
    await this.#connect()
    let rows: LedgerDigest[] = []
    const asked = this.#client
      .query<LedgerDigest>(
        `SELECT batch, digest FROM access_ledger WHERE instance = $1 AND batch = ANY($2)
         UNION ALL
         SELECT batch, digest FROM access_folded_batches($1::uuid, $2::bigint[], $3::timestamptz[])`,
        [batches[0]?.instance, batches.map(({ number }) => number), batches.map(lastStart)],
      )
      .then((answer) => (rows = answer.rows))
    await this.#bounded('SELECT', asked)
    return new Map(rows.map(({ batch, digest }) => [Number(batch), digest]))
  }

  async close(): Promise<void> {
    try {
      // A connection that is still opening has nothing to say good-bye to.
      if (this.#ready !== null) await this.#bounded('close', this.#client.end(), CLOSE_TIMEOUT_MS)
    } catch {
      // Its end is all that was wanted.
    }
    this.destroy()
  }

  destroy(): void {
    this.#isBroken = true
    this.#socket.destroy()
  }

  async #connect(): Promise<void> {
    this.#ready ??= this.#bounded('connect', this.#open())
    await this.#ready
  }

  async #open(): Promise<void> {
    await this.#client.connect()
    // In a statement: a pooler drops what it does not know of a startup packet.
    await this.#client.query(`${sessionStatement(serverSettings(this.#timeoutMs))}; ${PREPARE_COUNT}`)
    // The settings in force may differ from those set: a pooler may have set them in another session, and some cannot be set.
    const { rows } = await this.#client.query<DurabilitySettings>(DURABILITY_STATEMENT)
    if (rows[0] !== undefined) this.#onSettings(rows[0])
  }

  /** `work`, or a rejection after the time, or at the end of the socket, whichever comes first. */
  async #bounded(what: string, work: Promise<unknown>, timeoutMs = this.#timeoutMs): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    let onClose: (() => void) | undefined
    const interrupted = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new BatchError(`${what} took longer than ${timeoutMs} ms`, { code: 'timeout', kind: 'retry' }))
        this.destroy()
      }, timeoutMs)
      onClose = () => {
        // Later than pg's own error, which says more.
        setImmediate(reject, new BatchError(`${what}: connection closed`, { code: 'closed', kind: 'retry' }))
      }
      this.#socket.once('close', onClose)
    })
    try {
      await Promise.race([work, interrupted])
    } finally {
      clearTimeout(timer)
      if (onClose) this.#socket.off('close', onClose)
    }
  }
}

function clientConfig(target: DatabaseTarget, socket: Socket): ClientConfig {
  return {
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    // A function: an absent password shall not be looked for in the environment.
    password: () => target.password ?? '',
    ssl: target.tls === 'disable' ? false : { rejectUnauthorized: target.tls === 'verify' },
    stream: () => socket,
    application_name: 'waybill-writer',
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  }
}

/**
 * Settings of the session. What we have given up on, the server shall give up on as well: its transaction holds the ledger
 * key that the next attempt waits for. statement_timeout ends what waits or works; it does not end a COPY that waits for
 * data from a peer that has vanished, which the keep-alives do within 25 s.
 */
function serverSettings(timeoutMs: number): Record<string, string | number> {
  return {
    synchronous_commit: 'on',
    statement_timeout: timeoutMs,
    tcp_keepalives_idle: 10,
    tcp_keepalives_interval: 5,
    tcp_keepalives_count: 3,
  }
}
