import t from 'tap'
import { atMost, Rounds } from './rounds.ts'

/** Lets what is due without waiting happen. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function hangingRounds() {
  const ends: (() => void)[] = []
  const errors: unknown[] = []
  const job = (): Promise<void> => new Promise((resolve) => ends.push(resolve))
  return { rounds: new Rounds(job, (error) => errors.push(error)), ends, errors }
}

void t.test('a job that hangs has nothing queued behind it, however often it is asked for', async (t) => {
  const { rounds, ends } = hangingRounds()
  for (let i = 0; i < 1000; i++) rounds.ask()
  await turn()
  t.equal(ends.length, 1, 'never twice at a time')
  ends[0]?.()
  await turn()
  t.equal(ends.length, 2, 'once more for all who asked meanwhile')
  ends[1]?.()
  await turn()
  t.equal(ends.length, 2)
  rounds.ask()
  await turn()
  t.equal(ends.length, 3, 'and again when it is asked for')
})

void t.test('ticks are told of, and passed over while the job runs', async (t) => {
  const { rounds, ends } = hangingRounds()
  // The ticks themselves keep no process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  let ticks = 0
  await new Promise<void>((resolve) => rounds.start(1, () => void (++ticks === 5 && resolve())))
  t.equal(ends.length, 1)
  ends[0]?.()
  await rounds.stop(60_000)
  t.equal(ends.length, 1, 'no tick had asked')
})

void t.test(
  'a stop waits for what was asked for, and not for ever; a rejection is told, and ends nothing',
  async (t) => {
    const { rounds, ends } = hangingRounds()
    rounds.ask()
    rounds.ask()
    await rounds.stop(1)
    t.equal(ends.length, 1)
    const stopped = rounds.stop(60_000)
    ends[0]?.()
    await turn()
    ends[1]?.()
    await stopped
    const errors: unknown[] = []
    const failing = new Rounds(
      () => Promise.reject(new Error('no')),
      (error) => errors.push(error),
    )
    failing.ask()
    failing.ask()
    await failing.stop(60_000)
    t.equal(errors.length, 2)
    await t.rejects(atMost(Promise.reject(new Error('no')), 60_000), { message: 'no' })
  },
)
