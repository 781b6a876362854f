import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { errorCode } from '../lib/error-code.ts'
import { systemClock } from '../lib/time/clock.ts'
import { endsWithin } from '../lib/time/within.ts'

/** What lines go to. Neither of the two may block for longer than a system call on memory takes. */
export interface LineOutput {
  /** False when others can make its writes block: a socket, whose mode belongs to all who have it open. */
  readonly isOwn: boolean
  /** Writes what it can and tells how many bytes those were, now or later; EAGAIN when there is no room at present. */
  write(bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void
  /** For the last words of the process: returns how many bytes were taken, throws as write(2) fails. */
  writeNow(bytes: Buffer): number
}

const RETRY_MS = { first: 10, longest: 250 }
/** Between two attempts of the last words. */
const LAST_WORDS_PAUSE_MS = 5

/**
 * A bounded queue of lines before a descriptor whose reader may stop at any time: a container's log driver, a pipe to `tee`, a
 * terminal after Ctrl-S. Writing a line never blocks and never throws. What finds no room is dropped and counted.
 */
export class LineSink {
  /** Called with their number after lines were dropped, once everything before them is out. */
  onRecovered: (dropped: number) => void = () => {}
  readonly #output: LineOutput
  readonly #queue: Buffer[] = []
  #maxBytes: number
  #bytes = 0
  #dropped = 0
  #untold = 0
  /** Whether the newest line that was written was taken: before that, a word about losses would be lost as well. */
  #isTaken = false
  #isWriting = false
  #writingSince = 0
  #isResting = false
  #retryMs = RETRY_MS.first
  #waiters: (() => void)[] = []

  constructor(output: LineOutput, maxBytes: number) {
    this.#output = output
    this.#maxBytes = maxBytes
  }

  /** Whether another process may be given the same descriptor without making this one's writes block. */
  get canBeShared(): boolean {
    return this.#output.isOwn
  }

  /** Lines lost since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** Bytes that wait at most from now on; what waits already is kept. */
  set maxBytes(bytes: number) {
    this.#maxBytes = bytes
  }

  /** Takes one line, with the newline at its end. */
  write(line: string): void {
    const bytes = Buffer.from(line)
    if (this.#bytes + bytes.length > this.#maxBytes) {
      this.#drop()
      return
    }
    this.#queue.push(bytes)
    this.#bytes += bytes.length
    if (!this.#isResting) this.#advance()
  }

  /** Resolves when all lines are out, or `maxMs` have passed. */
  async drained(maxMs: number): Promise<void> {
    if (this.#queue.length === 0) return
    await endsWithin(new Promise<void>((resolve) => void this.#waiters.push(resolve)), maxMs)
  }

  /**
   * The last words of a process that ends now: writes what waits, and blocks for `maxMs` at most. A write that has been under way
   * for longer than that is not going to end, and nothing is sent after it.
   */
  lastWords(maxMs: number): void {
    const deadline = performance.now() + maxMs
    if (this.#isWriting && performance.now() - this.#writingSince > maxMs) return
    // The one that is under way is written by its thread, which the process waits for.
    if (this.#isWriting) this.#queue.shift()
    let head = this.#queue.shift()
    while (head !== undefined && performance.now() < deadline) {
      try {
        const written = this.#output.writeNow(head)
        head = written < head.length ? head.subarray(written) : this.#queue.shift()
      } catch (error) {
        if (errorCode(error) !== 'EAGAIN') return
        pause(LAST_WORDS_PAUSE_MS)
      }
    }
  }

  #advance(): void {
    while (!this.#isWriting) {
      const head = this.#queue[0]
      if (head === undefined) {
        this.#onEmpty()
        return
      }
      this.#isWriting = true
      this.#writingSince = performance.now()
      let isNow = true
      let shallGoOn = false
      this.#output.write(head, (error, written) => {
        this.#isWriting = false
        shallGoOn = this.#onWritten(head, error, written)
        if (!isNow && shallGoOn) this.#advance()
      })
      isNow = false
      if (!shallGoOn) return
    }
  }

  /** Returns whether the next write may be tried at once. */
  #onWritten(head: Buffer, error: NodeJS.ErrnoException | null, written: number): boolean {
    if (error?.code === 'EAGAIN') {
      this.#isResting = true
      systemClock.later(this.#retryMs, () => {
        this.#isResting = false
        this.#advance()
      })
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS.longest)
      return false
    }
    this.#retryMs = RETRY_MS.first
    if (error === null && written < head.length) {
      this.#bytes -= written
      this.#queue[0] = head.subarray(written)
      return true
    }
    this.#queue.shift()
    this.#bytes -= head.length
    this.#isTaken = error === null
    // EPIPE: the reader has gone; a named pipe may get another. ENOSPC: there may be room again.
    if (error !== null) this.#drop()
    return true
  }

  #onEmpty(): void {
    for (const resolve of this.#waiters.splice(0)) resolve()
    if (this.#untold === 0 || !this.#isTaken) return
    const dropped = this.#untold
    this.#untold = 0
    this.onRecovered(dropped)
  }

  #drop(): void {
    this.#dropped++
    this.#untold++
  }
}

/** Bytes that wait before stderr at most, until the configuration is known. */
const DEFAULT_MAX_BYTES = 1024 ** 2
/** Longest that a process which ends blocks for its last lines. */
const LAST_WORDS_MS = 250

let stderrSink: LineSink | null = null

/** The process' one sink of stderr, made at the first call. What waits when the process exits is written then, within 250 ms. */
export function stderrLines(): LineSink {
  if (stderrSink === null) {
    const sink = new LineSink(outputTo(2), DEFAULT_MAX_BYTES)
    process.once('exit', () => sink.lastWords(LAST_WORDS_MS))
    stderrSink = sink
  }
  return stderrSink
}

/**
 * Pipes and terminals are opened anew, not to block: the flag belongs to the open file, which other processes share, and each Node
 * process sets it back when it ends. Where that is not allowed (another user's pipe, no /proc), libuv sets it on the shared
 * one. A write to a file, or to a terminal that cannot be opened, may take as long as it likes on a thread.
 */
function outputTo(fd: number): LineOutput {
  const stats = fstatSync(fd)
  if (stats.isFIFO() || stats.isCharacterDevice()) {
    const own = openAnew(fd)
    if (own !== null) return unblocking(own, true)
  }
  if (stats.isFIFO() || stats.isSocket()) {
    // Never written to: it is made because libuv takes the descriptor out of its blocking mode.
    new Socket({ fd, readable: false, writable: true }).unref()
    return unblocking(fd, false)
  }
  return threaded(fd)
}

function openAnew(fd: number): number | null {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
  let own: number
  try {
    own = openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY)
  } catch {
    return null
  }
  const [mine, theirs] = [fstatSync(own), fstatSync(fd)]
  if (mine.ino === theirs.ino && mine.dev === theirs.dev) return own
  closeSync(own)
  return null
}

function unblocking(fd: number, isOwn: boolean): LineOutput {
  const writeNow = (bytes: Buffer): number => writeSync(fd, bytes)
  return {
    isOwn,
    writeNow,
    write: (bytes, done) => {
      let written = 0
      let failure: NodeJS.ErrnoException | null = null
      try {
        written = writeNow(bytes)
      } catch (error) {
        failure = error as NodeJS.ErrnoException
      }
      done(failure, written)
    },
  }
}

function threaded(fd: number): LineOutput {
  return {
    isOwn: true,
    writeNow: (bytes) => writeSync(fd, bytes),
    write: (bytes, done) => write(fd, bytes, done),
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
