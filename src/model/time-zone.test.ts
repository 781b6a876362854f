import t from 'tap'
import { TimeZone } from './time-zone.ts'

const HOUR_MS = 3_600_000

function zone(name: string): TimeZone {
  const found = TimeZone.named(name)
  if (found === null) throw new Error(`${name} is not known`)
  return found
}

/** When a day begins, and how many hours it has. */
function day(name: string, day: string): [string, number] {
  const begin = zone(name).momentOf(Date.parse(`${day}T00:00Z`))
  t.equal(zone(name).startOfDay(begin), begin, day)
  const end = zone(name).endOfDay(begin)
  t.equal(zone(name).endOfDay(end - 1), end, day)
  t.equal(zone(name).dayOf(end - 1), day)
  return [new Date(begin).toISOString().slice(0, 16), (end - begin) / HOUR_MS]
}

t.test(
  'R29: days begin at midnight of the zone, and are longer or shorter where its clocks change',
  async (t) => {
    t.same(day('UTC', '2026-11-01'), ['2026-11-01T00:00', 24])
    t.same(day('Pacific/Auckland', '2026-11-01'), ['2026-10-31T11:00', 24])
    t.same(day('Pacific/Auckland', '2026-09-27'), ['2026-09-26T12:00', 23])
    t.same(day('Pacific/Auckland', '2026-04-05'), ['2026-04-04T11:00', 25])
    t.same(day('Asia/Kolkata', '2026-11-01'), ['2026-10-31T18:30', 24])
    t.same(day('Asia/Kathmandu', '2026-11-01'), ['2026-10-31T18:15', 24])
    t.same(day('Australia/Lord_Howe', '2026-10-04'), ['2026-10-03T13:30', 23.5])
    t.same(day('Pacific/Kiritimati', '2026-01-01'), ['2025-12-31T10:00', 24])
    t.same(day('Pacific/Pago_Pago', '2026-01-01'), ['2026-01-01T11:00', 24])
  },
)

t.test('R29: midnight that is left out, or comes twice, or a day that never was', async (t) => {
  t.same(day('America/Santiago', '2024-09-08'), ['2024-09-08T04:00', 23], 'it begins at one')
  t.same(day('America/Havana', '2024-11-03'), ['2024-11-03T04:00', 25], 'the first of two midnights')
  t.same(day('America/Nuuk', '2024-10-26'), ['2024-10-26T01:00', 25], 'an hour again before midnight')
  const apia = zone('Pacific/Apia')
  const before = Date.parse('2011-12-29T12:00-10:00')
  t.equal(apia.dayOf(before), '2011-12-29')
  t.equal(apia.dayOf(apia.endOfDay(before)), '2011-12-31')
})

t.test('R29: days follow on each other without gap in every zone', async (t) => {
  for (const name of Intl.supportedValuesOf('timeZone')) {
    const one = zone(name)
    let at = one.startOfDay(Date.UTC(2026, 0, 1))
    const seen: string[] = []
    for (let i = 0; i < 12; i++) {
      seen.push(one.dayOf(at))
      at = one.endOfDay(at)
      // What roll-ups of a quarter of an hour can be cut at.
      if (at % 900_000 !== 0) t.fail(`${name} ${new Date(at).toISOString()}`)
    }
    if (new Set(seen).size !== 12 || seen.join() !== seen.toSorted().join()) t.fail(name)
  }
})

t.test('R29: what is no name of a zone is none', async (t) => {
  for (const name of [
    '',
    'Mars/Olympus',
    '+13:00',
    'Pacific/Auckland ',
    "'; --",
    'UTC\n',
    '../UTC',
    '0',
    'é',
  ]) {
    t.equal(TimeZone.named(name), null, name)
  }
  t.equal(zone('pacific/auckland').name, 'Pacific/Auckland')
})
