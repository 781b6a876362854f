import t from 'tap'
import { AuthFailures } from './auth-failures.ts'
import { Limiter } from './limiter.ts'

const LIMIT = { perMinute: 60, burst: 5, maxSources: 100 }

t.test('E5: a source may fail as often as it may, and is told when it may again', async (t) => {
  const failures = new AuthFailures(LIMIT)
  for (let i = 0; i < 5; i++) t.equal(failures.note('a', 1000), null)
  const refusal = failures.note('a', 1000)
  t.match(refusal, {
    policy: 'auth_throttled',
    quota: 5,
    windowSeconds: 5,
    remaining: 0,
    retryAfterSeconds: 1,
  })
  t.equal(failures.note('b', 1000), null, 'another source has its own')
  t.not(failures.note('a', 1990), null)
  t.equal(failures.note('a', 2000), null, 'after what Retry-After said, and not before')
  t.not(failures.note('a', 2000), null, 'what was refused took nothing, what was counted did')
})

t.test('E5: Retry-After of a slow rate is the time in which one failure comes back', async (t) => {
  const failures = new AuthFailures({ perMinute: 2, burst: 1, maxSources: 100 })
  t.equal(failures.note('a', 0), null)
  t.equal(failures.note('a', 0)?.retryAfterSeconds, 30)
  t.equal(failures.note('a', 20_500)?.retryAfterSeconds, 10)
  t.equal(failures.note('a', 30_000), null)
})

t.test(
  'E5: a flood of sources keeps within the bound, and who goes on failing stays throttled',
  async (t) => {
    const failures = new AuthFailures(LIMIT)
    for (let i = 0; i < 5; i++) failures.note('busy', 0)
    for (let i = 0; i < 100_000; i++) {
      failures.note(`stranger ${i}`, 0)
      if (i % 50 === 0 && failures.note('busy', 0) === null) t.fail('the busy one was forgotten')
    }
    t.equal(failures.size, 100)
    t.not(failures.note('busy', 0), null)
  },
)

t.test('E5: sources whose bucket is full again are forgotten, the others are not', async (t) => {
  const limiter = new Limiter({ idleBucketMs: 60_000, failures: LIMIT })
  for (let i = 0; i < 5; i++) limiter.noteFailure('a', 0)
  limiter.noteFailure('b', 4000)
  t.equal(limiter.stats.buckets, 2)
  limiter.evictIdle(4999)
  t.equal(limiter.stats.buckets, 2)
  limiter.evictIdle(5000)
  t.equal(limiter.stats.buckets, 0)
  for (let i = 0; i < 6; i++) limiter.noteFailure('a', 6000)
  t.equal(limiter.stats.refusals.auth_throttled, 1)
})

t.test('without a limit of failures none is counted', async (t) => {
  const limiter = new Limiter({ idleBucketMs: 60_000 })
  for (let i = 0; i < 1000; i++) t.equal(limiter.noteFailure('a', 0), null)
  t.equal(limiter.stats.buckets, 0)
})
