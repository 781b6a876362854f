import fc from 'fast-check'
import t from 'tap'
import type { AccessEntry } from '../../model/access-entry.ts'
import { firstDigest, nextDigest, rowsDigest } from '../../model/audit/ledger-chain.ts'
import { type Batch, cutAllRows, cutRow, quarantinedByTenant } from './batch.ts'
import { BatchBuilder } from './batch-builder.ts'
import { Channel } from '../../channel/channel.ts'
import { RowEncoder } from './encode.ts'
import { Ledger } from '../../channel/ledger.ts'
import { NOON_MS } from '../../test/clock.ts'
import { entryOf, INSTANCE, rowsOf, sealedBatch } from '../../test/writer-parts.ts'

const WHY = { code: '22P02', detail: 'no' }

const SEAL = {
  instance: INSTANCE,
  number: 1,
  dropped: null,
  acceptedSeq: 7,
  buffered: 2,
  isFinal: false,
  previousDigest: firstDigest(INSTANCE),
}

function build(
  entries: AccessEntry[],
  limits = { maxEntries: 4096, maxBytes: 1e7 },
): { batch: Batch; left: number; unfit: number } {
  const channel = new Channel({ capacityEntries: 1e5, capacityBytes: 1e9, ledger: new Ledger() })
  for (const entry of entries) channel.push(entry)
  const builder = new BatchBuilder(new RowEncoder(INSTANCE), limits)
  let unfit = 0
  while (builder.takeSlice(channel, () => unfit++) === 'more');
  return { batch: builder.seal(SEAL), left: channel.size, unfit }
}

t.test('describes what it holds', async (t) => {
  const { batch } = build([
    entryOf({ tenant: 'a', startedAtMs: NOON_MS + 86_400_000 }),
    entryOf({ tenant: 'b' }),
    entryOf({ tenant: 'a' }),
  ])
  t.match(batch, {
    number: 1,
    entries: 3,
    range: { firstSeq: 1, lastSeq: 3, firstStartedAtMs: NOON_MS, lastStartedAtMs: NOON_MS + 86_400_000 },
    days: ['2026-11-22', '2026-11-21'],
  })
  t.same(
    [...batch.tenants],
    [
      ['a', 2],
      ['b', 1],
    ],
  )
  t.same(
    rowsOf(batch.body).map(({ seq }) => seq),
    [1, 2, 3],
  )
})

t.test('ends at the bound in entries, and leaves the others', async (t) => {
  const { batch, left } = build(
    Array.from({ length: 1000 }, () => entryOf()),
    { maxEntries: 300, maxBytes: 1e7 },
  )
  t.same([batch.entries, left, rowsOf(batch.body).length], [300, 700, 300])
})

t.test('is never longer than its bound in bytes, and comes close to it, whatever the texts are', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('x', 'é', '\\', '\0', '😀'), fc.nat(2000)), { maxLength: 60 }),
      (texts) => {
        const { batch, left } = build(
          texts.map(([unit, length]) => entryOf({ path: unit.repeat(length) })),
          { maxEntries: 4096, maxBytes: 20_000 },
        )
        const longest = 400 + 3 * 2 * 2020
        return batch.body.length <= 20_000 && (left === 0 || batch.body.length > 20_000 - longest)
      },
    ),
  )
})

t.test('takes a row alone that is longer than the bound', async (t) => {
  const { batch, left } = build([entryOf({ path: 'x'.repeat(5000) }), entryOf()], {
    maxEntries: 10,
    maxBytes: 1000,
  })
  t.same([batch.entries, left], [1, 1])
})

t.test('an entry that cannot be encoded costs itself', async (t) => {
  const broken = entryOf()
  Object.defineProperty(broken, 'reason', { value: Symbol('x') })
  const { batch, unfit } = build([entryOf(), broken, entryOf()])
  t.same([batch.entries, unfit, rowsOf(batch.body).map(({ seq }) => seq)], [2, 1, [1, 3]])
})

t.test('cuts out the row of a line, whatever is in the rows, and nothing else', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', '\n', '\\', '\t', '\0', '\ud800', 'é') })
  // Two characters that are stored as one (U+FFFD) would make two tenants one; slugs have neither.
  const tenant = fc.string({ unit: fc.constantFrom('a', '\n', '\\', '\t', '\0', 'é') })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(tenant, text), { minLength: 1, maxLength: 20 }),
      fc.nat(),
      (texts, pick) => {
        const { batch } = build(texts.map(([tenant, path]) => entryOf({ tenant, path })))
        const index = pick % texts.length
        const cut = cutRow(batch, index + 1, WHY)
        if (cut === null) return false
        const expected = rowsOf(batch.body).filter((_, i) => i !== index)
        const sum = [...cut.batch.tenants.values()].reduce((a, b) => a + b, 0)
        return (
          cut.row.seq === index + 1 &&
          cut.row.tenant === texts[index]?.[0] &&
          sum === texts.length - 1 &&
          JSON.stringify(rowsOf(cut.batch.body)) === JSON.stringify(expected) &&
          cut.batch.number === batch.number
        )
      },
    ),
  )
})

t.test('has no row beyond its ends', async (t) => {
  const { batch } = build([entryOf()])
  t.same([cutRow(batch, 0, WHY), cutRow(batch, 2, WHY)], [null, null])
})

t.test(
  'a cut changes no digest and no sealed figure, and the quarantined rows put back give the same digest',
  async (t) => {
    const { batch } = build([
      entryOf({ tenant: 'a' }),
      entryOf({ tenant: 'b', path: 'x\ty' }),
      entryOf({ tenant: 'a' }),
    ])
    const cut = cutRow(batch, 2, WHY)?.batch
    if (cut === undefined) throw new Error('not cut')
    t.equal(cut.digest, batch.digest)
    t.equal(cut.sealedBytes, batch.body.length)
    t.same([...quarantinedByTenant(cut)], [['b', 1]])
    t.match(cut.quarantined, [{ tenant: 'b', seq: 2, ...WHY }])
    const lines = [...rowTexts(cut.body), ...cut.quarantined.map(({ text }) => text)]
    const ordered = lines.sort((a, b) => Number(a.split('\t').at(-1)) - Number(b.split('\t').at(-1)))
    t.same(rowsDigest(`${ordered.join('\n')}\n`), batch.rowsDigest)
    const all = cutAllRows(cut, WHY)
    t.same([all.entries, all.body.length, all.quarantined.length], [0, 0, 3])
    t.same(
      [...quarantinedByTenant(all)].sort(([a], [b]) => (a < b ? -1 : 1)),
      [
        ['a', 2],
        ['b', 1],
      ],
    )
  },
)

t.test('batches are chained: each digest covers header, rows and the digest before', async (t) => {
  const first = sealedBatch([entryOf({ tenant: '10' }), entryOf({ tenant: '9' })])
  const header = {
    instance: INSTANCE,
    batch: 1,
    firstSeq: 1,
    lastSeq: 2,
    entries: 2,
    bytes: first.body.length,
    dropped: null,
    tenants: { 9: 1, 10: 1 },
    acceptedSeq: 2,
    isFinal: false,
  }
  t.same(first.digest, nextDigest(firstDigest(INSTANCE), header, rowsDigest(first.body)))
  t.same(first.minutes, [NOON_MS / 60_000])
  const second = sealedBatch([], {
    number: 2,
    previousDigest: first.digest,
    isFinal: true,
    dropped: { a: { shutdown: 1 } },
  })
  t.notSame(second.digest, sealedBatch([], { number: 2, previousDigest: first.digest, isFinal: true }).digest)
})

function rowTexts(body: Buffer): string[] {
  return body.toString().split('\n').slice(0, -1)
}
t.test('what an entry is identified as counts in the bound of its batch', async (t) => {
  const channel = new Channel({ capacityEntries: 1e5, capacityBytes: 1e9, ledger: new Ledger() })
  for (let i = 0; i < 20; i++) channel.push(entryOf())
  const limits = { maxEntries: 4096, maxBytes: 20_000 }
  const builder = new BatchBuilder(new RowEncoder(INSTANCE), limits, undefined, (entry) => {
    entry.package = '\\'.repeat(1500)
    entry.artifactKind = 'artifact'
  })
  while (builder.takeSlice(channel, () => {}) === 'more');
  const batch = builder.seal(SEAL)
  t.ok(
    batch.body.length <= 20_000 && batch.entries > 3,
    `${batch.entries} entries, ${batch.body.length} bytes`,
  )
  t.match(batch.body.toString(), /\tartifact\t/)
})
