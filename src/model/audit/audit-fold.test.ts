import fc from 'fast-check'
import t from 'tap'
import { AuditSum, type AuditedInstance, type InstanceAudit } from './audit.ts'
import type { AuditedBatch } from './audit-batch.ts'
import { AuditFold } from './audit-fold.ts'
import { firstDigest, nextDigest, rowsDigest } from './ledger-chain.ts'

const INSTANCE: AuditedInstance = {
  id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b',
  host: 'gw-1',
  version: '0.1.0',
  startedAt: new Date(0),
  lastSeenAt: new Date(1000),
  endedAt: new Date(1000),
  capacityEntries: 4096,
  journalMs: null,
  acceptedSeq: null,
  spilledEntries: 0,
}

/** A life of batches: entries, drops and what is left waiting after each. */
function chainOf(
  plan: readonly (readonly [entries: number, drops: number, buffered: number])[],
): AuditedBatch[] {
  let seq = 0
  let digest = firstDigest(INSTANCE.id)
  return plan.map(([entries, drops, waiting], i) => {
    const isFinal = i === plan.length - 1
    const buffered = isFinal ? 0 : waiting
    const firstSeq = entries === 0 ? null : seq + 1
    seq += entries
    const lastSeq = entries === 0 ? null : seq
    seq += drops
    const header = {
      batch: i + 1,
      firstSeq,
      lastSeq,
      entries,
      bytes: entries * 300,
      dropped: drops === 0 ? null : { acme: { channel_full: drops } },
      tenants: entries === 0 ? {} : { acme: entries },
      acceptedSeq: seq + buffered,
      isFinal,
    }
    const rows = rowsDigest(`rows of ${i}`)
    digest = nextDigest(digest, { ...header, instance: INSTANCE.id }, rows)
    const rest = { quarantined: null, resolved: [], isInWindow: true, isExpired: false, goneFrom: null }
    return { ...header, ...rest, buffered, rowsDigest: rows, digest }
  })
}

function auditOf(batches: readonly AuditedBatch[]): InstanceAudit {
  const fold = new AuditFold(INSTANCE, {})
  for (const batch of batches) fold.add(batch)
  return fold.finish('ended', true)
}

const plan = fc.array(fc.tuple(fc.nat(50), fc.nat(3), fc.nat(20)), { minLength: 1, maxLength: 20 })

t.test('books balance, and only drops are gaps, in any life without loss', async () => {
  fc.assert(
    fc.property(plan, (batches) => {
      const audit = auditOf(chainOf(batches))
      const sum = new AuditSum()
      sum.add(audit)
      const { accepted, stored } = sum.summary.total
      const entries = batches.reduce((all, [n]) => all + n, 0)
      const drops = batches.reduce((all, [, n]) => all + n, 0)
      const named = audit.gaps.reduce((all, gap) => all + (gap.entries ?? 0), 0)
      return accepted === entries + drops && stored === entries && named === drops && audit.waiting === 0
    }),
  )
})

t.test('whichever batches are missing, holes have exactly their size', async () => {
  fc.assert(
    fc.property(plan, fc.func(fc.boolean()), (batches, isMissing) => {
      const chain = chainOf(batches)
      const kept = chain.filter(({ batch, isFinal }) => isFinal || !isMissing(batch))
      const lost = chain.filter((batch) => !kept.includes(batch))
      const audit = auditOf(kept)
      const holes = audit.gaps.filter(({ kind }) => kind === 'missing_batches')
      const size = lost.reduce(
        (all, { batch }) => all + (batches[batch - 1]?.[0] ?? 0) + (batches[batch - 1]?.[1] ?? 0),
        0,
      )
      return (
        holes.reduce((all, { entries }) => all + (entries ?? 0), 0) === size &&
        audit.gaps.every(({ kind }) => kind === 'missing_batches' || kind === 'dropped')
      )
    }),
  )
})

t.test('whatever figure of whichever batch is changed, it is noticed', async () => {
  const change = fc.constantFrom<(batch: AuditedBatch) => Partial<AuditedBatch>>(
    ({ entries }) => ({ entries: entries + 1 }),
    ({ bytes }) => ({ bytes: bytes + 1 }),
    ({ acceptedSeq }) => ({ acceptedSeq: (acceptedSeq ?? 0) + 1 }),
    ({ buffered }) => ({ buffered: (buffered ?? 0) + 1 }),
    ({ tenants }) => ({ tenants: { ...tenants, globex: 1 } }),
    ({ firstSeq }) => ({ firstSeq: (firstSeq ?? 0) + 1 }),
    ({ isFinal }) => ({ isFinal: !isFinal }),
    () => ({ rowsDigest: rowsDigest('others') }),
    () => ({ digest: rowsDigest('another') }),
    () => ({ dropped: { globex: { rejected: 1 } } }),
    () => ({ digest: null }),
  )
  fc.assert(
    fc.property(plan, fc.nat(), change, (batches, pick, make) => {
      const chain = chainOf(batches)
      const at = pick % chain.length
      const changed = chain.map((batch, i) => (i === at ? Object.assign({}, batch, make(batch)) : batch))
      return auditOf(changed).gaps.some(({ kind }) => kind !== 'dropped')
    }),
  )
})

t.test('a tenant or a reason of any name is a name', async (t) => {
  const names = JSON.parse('{"__proto__": {"constructor": 2}, "constructor": {"__proto__": 3}}') as Record<
    string,
    never
  >
  const fold = new AuditFold(INSTANCE, {})
  const [only] = chainOf([[0, 0, 0]])
  if (only === undefined) throw new Error('no batch')
  fold.add({ ...only, dropped: names })
  const { accounts } = fold.finish('ended', true)
  t.same(
    accounts.map(({ tenant, accepted, dropped }) => [tenant, accepted, JSON.stringify(dropped)]),
    [
      ['__proto__', 2, '{"constructor":2}'],
      ['constructor', 3, '{"__proto__":3}'],
    ],
  )
})

t.test('gaps are bounded, and those left out are counted', async (t) => {
  const batches = chainOf(Array.from({ length: 10_050 }, () => [1, 0, 0] as const))
  const { gaps, gapsOmitted } = auditOf(
    batches.map((batch) => Object.assign(batch, { rowsDigest: rowsDigest('x') })),
  )
  t.equal(gaps.length + gapsOmitted, 10_050)
  t.equal(gaps.length, 10_000)
})
