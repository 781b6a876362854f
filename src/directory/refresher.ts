import { errorCode } from '../lib/error-code.ts'
import { backoffMs } from '../lib/time/backoff.ts'
import { type Clock, systemClock } from '../lib/time/clock.ts'
import { within, WaitEndedError } from '../lib/time/within.ts'
import type { DatabaseContact } from '../lib/database-contact.ts'
import type { Directory } from '../model/grant.ts'
import type { ScopeSet } from '../model/scope.ts'
import { Confirmations } from './confirmations.ts'
import type { DirectoryConnection, DirectoryPosition, DirectorySource } from './directory-source.ts'
import type { DirectoryKeeper } from './directory-keeper.ts'
import { KeyUseWriter } from './key-uses.ts'
import type {
  DirectoryCollaborators,
  DirectoryLog,
  DirectoryOptions,
  DirectoryStats,
} from './refresher-options.ts'
import { EMPTY_RULES, type RuleShards } from './rule-shards.ts'
import { type DirectorySnapshot, SnapshotUpdate } from './snapshot.ts'

/** Between attempts while the database is away. */
const BACKOFF_MIN_MS = 100
const BACKOFF_MAX_MS = 1000

/** Refreshes that hints ask for are at least so far apart: a bulk import costs 40 queries a second, not thousands. */
const HINT_GAP_MS = 25

/** Longest wait for a poll and for a full load before the connection is given up. */
const POLL_TIMEOUT_MS = 3000
const LOAD_TIMEOUT_MS = 60_000

/** What `start` waits at most. */
const START_WAIT_MS = 5000

/** A database that has been silent for so long at the start is taken for away: the snapshot on disk is looked at. */
const RECALL_AFTER_MS = 1000

/** Beyond a poll, without contact for so long: a key that is not in the snapshot may have been minted meanwhile. */
const STALE_AFTER_MS = 5000

/**
 * Keeps the data plane's snapshot of tenants and keys up to date.
 *
 *   loading     no snapshot of the database yet; tries until it has one, and meanwhile goes by the one on disk, if there is one that
 *               can be trusted. Entry: start. Exit: the first full load.
 *   following   polls for rows changed since the cursor; a notification only makes the next poll come at once. A full load
 *               at long intervals repairs what should never be wrong, and one comes at once when the database is not the one it
 *               was: another server, time line or life of it, a cursor that went back, a row that contradicts what was read.
 *               Exit: a failure, stop.
 *   failing     the last snapshot stays; a new connection after each back-off. Exit: the next success.
 *   stopped     no timer, no connection; the snapshot stays readable.
 *
 * One loop does all of it, so that two refreshes never overlap.
 */
export class DirectoryRefresher implements Directory {
  readonly #source: DirectorySource
  readonly #keeper: DirectoryKeeper | null
  readonly #options: DirectoryOptions
  readonly #log: DirectoryLog
  readonly #now: () => number
  readonly #clock: Clock
  readonly #random: () => number
  readonly #contact: DatabaseContact | null
  readonly #onChange: (snapshot: DirectorySnapshot) => void
  readonly #useWriter: KeyUseWriter
  /** Ends the waits under way. */
  readonly #ended = new AbortController()
  readonly #confirmations: Confirmations
  readonly #scopes = new Map<string, ScopeSet>()

  #snapshot: DirectorySnapshot | null = null
  #connection: DirectoryConnection | null = null
  #position: DirectoryPosition | null = null
  /** What was read may be another database's: only a full load tells. */
  #isInDoubt = false
  #isAnnounced = false
  #isTooOld = false
  /** A load has come, or is about to take effect: what is on disk is of no use any more. */
  #hasLoaded = false
  /** Where the snapshot on disk that is gone by came from; null when none is. */
  #recalledOrigin: string | null = null
  #maxAgeMs: number
  #recalled: Promise<void> | null = null
  #contactTick: number
  #reconcileAtMs = Infinity
  #isStopped = false
  #isHinted = false
  /** Ends the pause under way. */
  #wake: (() => void) | null = null
  #started: Promise<void> | null = null
  #stopped: Promise<void> | null = null
  #loop: Promise<void> = Promise.resolve()

  #loadedAtMs: number | null = null
  #contactAtMs: number | null = null
  #refreshes = 0
  #fullLoads = 0
  #failures = 0
  #failuresInARow = 0
  #notifications = 0
  #lastError: string | null = null
  #isListening = false

  constructor(collaborators: DirectoryCollaborators) {
    this.#source = collaborators.source
    this.#keeper = collaborators.keeper ?? null
    this.#options = collaborators.options
    this.#maxAgeMs = collaborators.options.maxAgeMs
    this.#log = collaborators.log
    this.#now = collaborators.now ?? Date.now
    this.#clock = collaborators.clock ?? systemClock
    this.#contactTick = this.#clock.nowMs()
    this.#random = collaborators.random ?? Math.random
    this.#contact = collaborators.contact ?? null
    this.#onChange = collaborators.onChange ?? (() => {})
    this.#confirmations = new Confirmations({
      source: this.#source,
      clock: this.#clock,
      signal: this.#ended.signal,
      now: this.#now,
      onFailure: (code) => {
        this.#log.debug({ code }, 'directory: what is applied could not be confirmed')
      },
    })
    this.#useWriter = new KeyUseWriter({
      write: (uses) => this.#source.writeUses(uses),
      intervalMs: this.#options.lastUsedIntervalMs,
      clock: this.#clock,
      random: this.#random,
      onFailure: (code) => {
        this.#log.debug({ code }, 'directory: last uses not written yet')
      },
    })
  }

  /** Null before the first load, and after `maxAgeMs` without contact: what was revoked meanwhile is not known. */
  get snapshot(): DirectorySnapshot | null {
    return this.#isTooOld ? null : this.#snapshot
  }

  /** See Directory. The last ones decide, however old: they let nobody in. */
  get rules(): RuleShards | null {
    return this.#snapshot?.rules ?? (this.#options.rulesWhenUnknown === 'deny' ? null : EMPTY_RULES)
  }

  get isStale(): boolean {
    if (this.#recalledOrigin !== null) return true
    return this.#clock.nowMs() - this.#contactTick > this.#options.pollIntervalMs + STALE_AFTER_MS
  }

  get stats(): DirectoryStats {
    return {
      loadedAtMs: this.#loadedAtMs,
      ageMs: this.#contactAtMs === null ? null : Math.max(0, this.#now() - this.#contactAtMs),
      keys: this.#snapshot?.keyCount ?? 0,
      tenants: this.#snapshot?.tenants.size ?? 0,
      rules: this.#snapshot?.rules?.count ?? 0,
      isRecalled: this.#recalledOrigin !== null,
      isStale: this.isStale,
      keepFailures: this.#keeper?.failures ?? 0,
      refreshes: this.#refreshes,
      fullLoads: this.#fullLoads,
      failures: this.#failures,
      notifications: this.#notifications,
      lastError: this.#lastError,
      isListening: this.#isListening,
      pendingUses: this.#useWriter.uses.size,
    }
  }

  noteUse(keyId: string): void {
    this.#useWriter.uses.note(keyId, this.#now())
  }

  /**
   * Begins to load and to follow. Resolves after the first attempt, whether it succeeded or not, or with the snapshot on disk, and
   * after 5 s at most; never rejects. A second call returns the same promise.
   */
  start(): Promise<void> {
    this.#started ??= new Promise((resolve) => {
      const cancels = [
        this.#clock.after(START_WAIT_MS, resolve),
        this.#clock.after(RECALL_AFTER_MS, () => void this.#recall().then(onFirst)),
      ]
      const onFirst = (): void => {
        for (const cancel of cancels) cancel()
        resolve()
      }
      this.#loop = this.#run(onFirst)
      this.#useWriter.start()
    })
    return this.#started
  }

  /**
   * Stops following and writes the last uses, waiting 2 s at most for that; the snapshot stays. Never rejects, and ends in bounded
   * time whatever the database does. A second call returns the same promise.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#isStopped = true
    this.#wake?.()
    this.#disconnect()
    this.#ended.abort(new WaitEndedError())
    const kept = this.#loop.then(() => this.#keeper?.stop())
    await Promise.all([kept, this.#useWriter.stop(), this.#confirmations.leave()])
  }

  async #run(onFirst: () => void): Promise<void> {
    while (!this.#isStopped) {
      const startedAtMs = this.#now()
      const isFine = await this.#refresh()
      if (isFine) onFirst()
      else void this.#recall().then(onFirst)
      if (this.#isStopped) break
      if (isFine && this.#isInDoubt) continue // a full load clears the doubt, so this does not go round
      if (isFine) await this.#pauseForHint(startedAtMs)
      else
        await this.#pause(backoffMs(this.#failuresInARow - 1, BACKOFF_MIN_MS, BACKOFF_MAX_MS, this.#random))
    }
    this.#disconnect()
    onFirst()
  }

  /** Goes by what is on disk, unless the database has told by then. A second call returns the same promise. */
  #recall(): Promise<void> {
    this.#recalled ??= this.#adopt()
    return this.#recalled
  }

  async #adopt(): Promise<void> {
    if (this.#keeper === null || this.#hasLoaded) return
    const recalled = await this.#keeper.recall()
    if (recalled === null || this.#hasLoaded || this.#isStopped) return
    const { snapshot, origin, ageMs, maxAgeMs } = recalled
    this.#snapshot = snapshot
    this.#maxAgeMs = Math.min(this.#maxAgeMs, maxAgeMs)
    this.#recalledOrigin = origin
    this.#contactTick = this.#clock.nowMs() - ageMs
    this.#contactAtMs = this.#now() - ageMs
    const fields = { ageSeconds: Math.round(ageMs / 1000), keys: snapshot.keyCount }
    this.#log.warn(fields, 'directory: the database is away, going by the snapshot on disk')
    this.#onChange(snapshot)
  }

  /** Waits for the next poll; a hint cuts it short, but two refreshes do not follow each other too closely. */
  async #pauseForHint(startedAtMs: number): Promise<void> {
    if (!this.#isHinted) await this.#pause(this.#options.pollIntervalMs)
    if (this.#isHinted) {
      const gapMs = startedAtMs + HINT_GAP_MS - this.#now()
      if (gapMs > 0 && gapMs <= HINT_GAP_MS) await this.#pause(gapMs)
    }
  }

  #pause(ms: number): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, () => this.#wake?.())
      this.#wake = () => {
        this.#wake = null
        cancel()
        resolve()
      }
    })
  }

  async #refresh(): Promise<boolean> {
    try {
      const connection = await this.#connect()
      const position = this.#position
      const look = { contactAtMs: this.#now(), contactTick: this.#clock.nowMs() }
      const isDue = this.#isInDoubt || this.#now() >= this.#reconcileAtMs
      const isFull = this.#snapshot === null || position === null || isDue
      if (!this.#isAnnounced) await this.#confirmations.announce()
      this.#isAnnounced = true
      const update = new SnapshotUpdate(this.#snapshot, isFull, this.#scopes)
      const hadHint = this.#isHinted
      this.#isHinted = false // what is hinted from here on may be too late for this refresh
      const load = connection.load(isFull ? null : position.cursor, (chunk) => {
        this.#contact?.heard() // a load of all may take a while
        update.add(chunk)
      })
      const next = await this.#within(load, isFull ? LOAD_TIMEOUT_MS : POLL_TIMEOUT_MS)
      if (this.#isStopped) return false
      this.#hasLoaded = true
      const before = this.#snapshot
      const snapshot = update.finish()
      if (snapshot !== before) await this.#keeper?.note(before, snapshot)
      if (this.#recalledOrigin !== null && clusterOf(this.#recalledOrigin) !== clusterOf(next.origin))
        this.#log.warn({}, 'directory: the snapshot on disk came from another database server')
      this.#succeed(snapshot, isFull, look)
      this.#isInDoubt = !isFull && (update.isContradicted || isOtherDatabase(position, next))
      this.#position = next
      if (this.#isInDoubt)
        this.#log.info({}, 'directory: the database is not the one it was, loading all anew')
      else {
        this.#confirmations.applied(next, hadHint || this.#snapshot !== before)
        this.#keeper?.applied({ snapshot, origin: next.origin, ...look })
      }
      return true
    } catch (error) {
      this.#fail(error)
      return false
    }
  }

  async #connect(): Promise<DirectoryConnection> {
    if (this.#connection !== null) return this.#connection
    const connection: DirectoryConnection = this.#source.connect({
      onHint: () => {
        this.#notifications++
        this.#isHinted = true
        if (this.#failuresInARow === 0) this.#wake?.()
      },
      onClose: () => {
        // Noticed between two polls: the next one opens another connection and listens again.
        if (this.#connection === connection) this.#disconnect()
      },
    })
    this.#connection = connection
    const isListening = await this.#within(connection.listen(), POLL_TIMEOUT_MS)
    this.#isListening = isListening && this.#connection === connection
    if (!isListening) this.#log.debug({}, 'directory: no notifications, polling only')
    return connection
  }

  #succeed(next: DirectorySnapshot, isFull: boolean, look: Look): void {
    const nowMs = this.#now()
    this.#contact?.heard()
    if (this.#failuresInARow > 0)
      this.#log.info({ failures: this.#failuresInARow }, 'directory: following again')
    this.#failuresInARow = 0
    this.#lastError = null
    this.#contactAtMs = look.contactAtMs
    this.#contactTick = look.contactTick
    this.#isTooOld = false
    this.#recalledOrigin = null
    this.#maxAgeMs = this.#options.maxAgeMs
    if (isFull) {
      this.#fullLoads++
      this.#loadedAtMs = nowMs
      const { reconcileIntervalMs } = this.#options
      this.#reconcileAtMs =
        reconcileIntervalMs < 0 ? Infinity : nowMs + reconcileIntervalMs * (0.8 + this.#random() * 0.4)
    } else {
      this.#refreshes++
    }
    if (next === this.#snapshot) return
    this.#snapshot = next
    this.#onChange(next)
  }

  #fail(error: unknown): void {
    this.#disconnect()
    if (this.#isStopped) return
    this.#failures++
    this.#failuresInARow++
    this.#lastError = errorCode(error)
    this.#contact?.failed(this.#lastError)
    const isTooOld = this.#clock.nowMs() - this.#contactTick > this.#maxAgeMs
    if (isTooOld && !this.#isTooOld && this.#snapshot !== null)
      this.#log.warn({}, 'directory: too long without the database, keys are accepted no more')
    this.#isTooOld = isTooOld
    const fields = { code: this.#lastError, hasSnapshot: this.#snapshot !== null }
    if (this.#failuresInARow === 1) this.#log.warn(fields, 'directory: refresh failed, trying on')
  }

  #within<T>(answer: Promise<T>, ms: number): Promise<T> {
    return within(answer, { what: 'the database', ms, clock: this.#clock, signal: this.#ended.signal })
  }

  #disconnect(): void {
    const connection = this.#connection
    this.#connection = null
    this.#isListening = false
    connection?.destroy().catch(() => {}) // there is nothing left to save on it
  }
}

/** The part of an origin that names the server and its time line. */
function clusterOf(origin: string): string {
  return origin.split('/')[0] ?? ''
}

/** When a look at the database began that succeeded. */
interface Look {
  readonly contactAtMs: number
  readonly contactTick: number
}

/** Whether a cursor of one load means nothing in the database of the next. */
function isOtherDatabase(before: DirectoryPosition, next: DirectoryPosition): boolean {
  return next.origin !== before.origin || BigInt(next.cursor) < BigInt(before.cursor)
}
