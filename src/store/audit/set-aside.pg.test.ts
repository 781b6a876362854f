import t from 'tap'
import { AuditSum, type InstanceAudit } from '../../model/audit/audit.ts'
import type { AsideReport } from '../../model/audit/set-aside.ts'
import { auditInstances } from './audit.ts'
import { endInstance, registerInstance, touchInstance } from './instances.ts'
import { listSetAside } from './set-aside.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance } from '../../test/ledger.ts'

const { sql } = await testDatabase(t)

const ASIDE: AsideReport = {
  segments: 1,
  batches: 2,
  files: 30,
  entries: 140,
  named: [
    { what: 'batch', name: '/s/1.seg, batch 7', code: 'AC001', entries: 128, since: '2026-11-27T00:00:00Z' },
    { what: 'file', name: '/s/97.seg', code: 'not_a_file', entries: 0, since: '2026-11-27T00:00:01Z' },
  ],
}

async function audited(id: string): Promise<InstanceAudit | undefined> {
  for await (const one of auditInstances(sql, {})) if (one.instance.id === id) return one
  return undefined
}

t.test('D10: what stands aside is listed, and is a gap, until it is told no more', async (t) => {
  const instance = new TestInstance(sql)
  const start = { host: 'gw', version: '1', startedAt: new Date(), capacityEntries: 9000, journalMs: null }
  await registerInstance(sql, { ...start, id: instance.id })
  const tell = (aside: AsideReport | null): Promise<boolean> =>
    touchInstance(sql, instance.id, {
      acceptedSeq: 0,
      spilledEntries: 0,
      notes: { underWay: { count: 0, named: [] }, aside, weaknesses: ['fsync = off'] },
    })
  await tell(ASIDE)
  t.match(await listSetAside(sql), [{ instance: instance.id, host: 'gw', aside: ASIDE }])
  const told = await audited(instance.id)
  t.match(told?.gaps, [
    { kind: 'set_aside', entries: 128, line: /batch \/s\/1\.seg, batch 7 is set aside since .*AC001/ },
    { kind: 'set_aside', entries: null, line: /file \/s\/97\.seg is set aside since .*not_a_file/ },
    { kind: 'set_aside', entries: null, line: /31 more are set aside/ },
  ])
  const sum = new AuditSum()
  if (told !== undefined) sum.add(told)
  t.match(sum.summary, { isComplete: false, weaknesses: ['fsync = off'] })

  await touchInstance(sql, instance.id, { acceptedSeq: 1, spilledEntries: 0 })
  t.equal((await listSetAside(sql)).length, 1, 'a sign of life without news changes nothing')
  await tell(null)
  t.same([await listSetAside(sql), (await audited(instance.id))?.gaps], [[], []])
  await tell(ASIDE)
  await endInstance(sql, instance.id, { acceptedSeq: 0, spilledEntries: 0 })
  t.same(await listSetAside(sql), [], 'one that has stopped tells nothing: its heir does')
})
