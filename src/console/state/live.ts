import { computed, signal } from '@preact/signals'
import { ApiError, messageOf } from '../api/client.ts'
import { getOverview, type Overview } from '../api/overview.ts'
import { type Answerer, answererOf } from '../words/why.ts'
import { repeat } from './clock.ts'

const POLL_MS = 1000
/** Figures that are older are shown as old. */
const OLD_MS = 3000
/** Five minutes, at one a second. */
const MAX_SAMPLES = 300
/** A rate is over at least so long: over less, a single request would be many. */
const RATE_MS = 900

/** Rates between two readings, per second. */
export interface Sample {
  readonly requests: number
  readonly byAnswerer: Readonly<Record<Answerer, number>>
  readonly byOutcome: Readonly<Record<string, number>>
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly stored: number
}

export const overview = signal<Overview | null>(null)
/** Oldest first. */
export const samples = signal<readonly Sample[]>([])
/** Why the last reading failed. */
export const liveError = signal<string | null>(null)
/** How old the figures are, when that is too old. */
export const staleMs = signal<number | null>(null)
export const rates = computed(() => samples.value.at(-1) ?? null)

let previous: Overview | null = null
let readAtTick: number | null = null

/** Reads the figures every second until the function that it returns is called, which forgets them: who comes next may not see them. */
export function startLive(): () => void {
  const stop = repeat(POLL_MS, async (signal) => {
    noteAge(false)
    const askedAtTick = performance.now()
    try {
      take(await getOverview(signal))
      readAtTick = askedAtTick
      liveError.value = null
      noteAge(false)
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ApiError && error.status === 401) return
      liveError.value =
        error instanceof ApiError && error.status > 0
          ? `The gateway answers: ${messageOf(error)}`
          : 'No answer from the gateway'
      previous = null
      noteAge(true)
    }
  })
  return () => {
    stop()
    overview.value = null
    samples.value = []
    liveError.value = null
    previous = null
    readAtTick = null
    noteAge(false)
  }
}

function noteAge(hasFailed: boolean): void {
  const age = readAtTick === null ? null : performance.now() - readAtTick
  staleMs.value = age !== null && (hasFailed || age > OLD_MS) ? age : null
}

function take(now: Overview): void {
  overview.value = now
  const isSameRun = previous !== null && previous.instance === now.instance
  if (previous === null || !isSameRun) {
    previous = now
    return
  }
  const ms = now.uptimeMs - previous.uptimeMs
  if (ms < RATE_MS) return
  samples.value = [...samples.value, sampleOf(previous, now, ms / 1000)].slice(-MAX_SAMPLES)
  previous = now
}

function sampleOf(before: Overview, now: Overview, seconds: number): Sample {
  const rate = (read: (overview: Overview) => number): number =>
    Math.max(0, (read(now) - read(before)) / seconds)
  const byAnswerer: Record<Answerer, number> = { ok: 0, upstream: 0, gateway: 0, refused: 0, client: 0 }
  const byOutcome: Record<string, number> = {}
  for (const outcome of Object.keys(now.requests.byOutcome)) {
    const n = rate(({ requests }) => requests.byOutcome[outcome] ?? 0)
    byOutcome[outcome] = n
    byAnswerer[answererOf({ outcome, status: 200 })] += n
  }
  return {
    requests: rate(({ requests }) => requests.total),
    byAnswerer,
    byOutcome,
    bytesSent: rate(({ requests }) => requests.bytesSent),
    bytesReceived: rate(({ requests }) => requests.bytesReceived),
    stored: rate(({ accessLog }) => accessLog.stored),
  }
}
