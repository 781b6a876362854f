import fc from 'fast-check'
import t from 'tap'
import { barOf, phasesOf, waterfallOf } from './life.ts'

const START_MS = Date.UTC(2026, 10, 21, 8)
const row = (atMs: number, durationMs: number, upstreamMs: number | null = null) => ({
  started_at: new Date(START_MS + atMs).toISOString(),
  duration_us: durationMs * 1000,
  upstream_us: upstreamMs === null ? null : upstreamMs * 1000,
  upstream: upstreamMs === null ? null : '127.0.0.1:9',
})

t.test('phases follow each other, from the start of a request to its end', async (t) => {
  t.match(phasesOf(row(0, 5)), [{ kind: 'rest', fromMs: 0, toMs: 5 }])
  t.match(phasesOf(row(0, 5, 3)), [
    { kind: 'upstream', fromMs: 0, toMs: 3 },
    { kind: 'rest', fromMs: 3, toMs: 5 },
  ])
  const inVain = { ...row(0, 5), upstream: '127.0.0.1:9' }
  t.match(phasesOf(inVain), [{ name: /in vain/, kind: 'upstream', fromMs: 0, toMs: 5 }])
})

t.test('a bar is on its axis, and is seen', async (t) => {
  t.strictSame(barOf(0, 0, 0), { left: 0, width: 100 })
  const ms = fc.integer({ min: 0, max: 1e7 })
  const isOnAxis = fc.property(ms, ms, ms, (from, length, rest) => {
    const { left, width } = barOf(from, from + length, from + length + rest)
    return left >= 0 && width > 0 && left + width <= 100.000001
  })
  t.doesNotThrow(() => fc.assert(isOnAxis))
})

t.test('neighbours stand around a request, the nearest of them, oldest first', async (t) => {
  const middle = row(1000, 10, 5)
  const others = [row(5000, 1), row(900, 1), row(1100, 100, 100), row(-9000, 1)]
  const { rows, axisMs } = waterfallOf(middle, others, 2)
  t.strictSame(
    rows.map(({ row: { started_at: at } }) => Date.parse(at) - START_MS),
    [900, 1000, 1100],
  )
  t.equal(axisMs, 300)
  const [first, second, third] = rows
  t.match(first, { bar: { left: 0 }, headWidth: 0 })
  t.ok(Math.abs((second?.bar.left ?? 0) - 33.333) < 0.01)
  t.equal(second?.headWidth, (second?.bar.width ?? 0) / 2)
  t.equal(third?.headWidth, third?.bar.width, 'all of it was the upstream’s')
})
