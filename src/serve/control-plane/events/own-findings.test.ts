import t from 'tap'
import { OwnFindings } from './own-findings.ts'

const DAY_MS = 86_400_000
const START_MS = Date.parse('2026-01-02T03:04:05Z')

t.test('a certificate is told of two weeks before its end, with the same id at each look', async (t) => {
  const certificates = [
    { name: 'soon.example.test', expiresAtMs: START_MS + 13 * DAY_MS },
    { name: 'later.example.test', expiresAtMs: START_MS + 15 * DAY_MS },
  ]
  const own = new OwnFindings({
    certificates: () => certificates,
    readiness: () => ({ ready: true, reasons: [] }),
    clock: { nowMs: () => START_MS },
  })
  const found = await own.find()
  t.match(found, [
    {
      type: 'certificate.expiring',
      data: { name: 'soon.example.test', expiresAt: '2026-01-15T03:04:05.000Z' },
    },
  ])
  t.same(await own.find(), found)
})

t.test('a gateway that is not ready for a minute is told of, once each time', async (t) => {
  let [nowMs, ready] = [START_MS, false]
  const own = new OwnFindings({
    certificates: () => [],
    readiness: () => ({ ready, reasons: ready ? [] : [{ code: 'no_snapshot', detail: 'none' }] }),
    clock: { nowMs: () => nowMs },
  })
  const at = async (afterMs: number, isReady = false) => {
    nowMs = START_MS + afterMs
    ready = isReady
    return (await own.find()).map(({ id, data }) => ({ id, data }))
  }
  t.same(await at(0), [], 'it may be starting')
  const first = await at(60_000)
  t.match(first, [
    { data: { since: '2026-01-02T03:04:05.000Z', reasons: [{ code: 'no_snapshot', detail: 'none' }] } },
  ])
  t.same(await at(120_000), first, 'the same time')
  t.same(await at(180_000, true), [])
  t.same(await at(240_000), [])
  t.not((await at(300_000))[0]?.id, first[0]?.id)
})
