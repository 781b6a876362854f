import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { testFolder } from './product.ts'

/** A wall clock that is wrong, for the processes that are started with its environment; the monotonic clock is right. */
export interface ShiftedClock {
  /** For the process and all that it starts. */
  readonly env: Readonly<Record<string, string>>
  /** Steps it to so many milliseconds beside the right time; seen within 50 ms. */
  step(offsetMs: number): Promise<void>
}

/** Replaces `Date` where it asks for the time; what is converted or parsed stays as it was. */
const PRELOAD = `
const { readFileSync } = require('node:fs')
const RealDate = Date
const realNow = Date.now
let offset = 0
const look = () => { try { offset = Number(readFileSync(process.env.WAYBILL_TEST_CLOCK, 'utf8')) || 0 } catch {} }
look()
setInterval(look, 50).unref()
class ShiftedDate extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(realNow() + offset)
    else super(...given)
  }
  static now() { return realNow() + offset }
}
Object.defineProperty(ShiftedDate, 'name', { value: 'Date' })
globalThis.Date = ShiftedDate
`

/** Makes a clock that is `offsetMs` beside the right one, by a file that Node loads first. */
export async function shiftedClock(t: Test, offsetMs: number): Promise<ShiftedClock> {
  const folder = await testFolder(t)
  const preload = join(folder, 'clock.cjs')
  const file = join(folder, 'offset')
  await writeFile(preload, PRELOAD)
  const step = (ms: number): Promise<void> => writeFile(file, String(ms))
  await step(offsetMs)
  return {
    env: { NODE_OPTIONS: `--require=${preload}`, WAYBILL_TEST_CLOCK: file },
    step,
  }
}
