import fc from 'fast-check'
import t from 'tap'
import { RowEncoder } from '../../writer/batch/encode.ts'
import { AccessEntry } from '../../model/access-entry.ts'
import type { AuditSummary, InstanceAudit } from '../../model/audit/audit.ts'
import { auditInstances } from '../../store/audit/audit.ts'
import { endInstance, registerInstance } from '../../store/audit/instances.ts'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance } from '../../test/ledger.ts'
import { testWaybill } from '../../test/waybill.ts'

t.setTimeout(120_000)
const { sql, url } = await testDatabase(t)
const waybill = await testWaybill(t, url)

const at = new Date(Date.now() - 3_600_000)
await ensurePartitions(sql, new Date(at.getTime() - 86_400_000), 3)

async function registered(): Promise<TestInstance> {
  const instance = new TestInstance(sql)
  await registerInstance(sql, {
    id: instance.id,
    host: 'gw-\x1b[31m1',
    version: '0.1.0',
    startedAt: at,
    capacityEntries: 5000,
    journalMs: 10,
  })
  return instance
}

t.test('whatever the encoder writes, the deep audit reads the same bytes from the table', async (t) => {
  const text = fc.string({
    unit: fc.oneof(
      fc.constantFrom('\\', '\t', '\n', '\r', '\0', '\b', '\v', 'N', '.', 'é', '😀', '\ud800', '\u0085'),
      fc.string({ maxLength: 1 }),
    ),
    maxLength: 30,
  })
  const number = fc.oneof(fc.nat(), fc.constantFrom(0, -1, 2 ** 40, Number.NaN, 1.5, 1e300))
  const address = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom(
      '::1',
      '2001:db8::7',
      '2001:DB8:0:0::7',
      '2001:db8:0:1:0:0:0:0',
      '1:0:0:2:0:0:3:4',
      '::10.0.0.1',
      '::ffff:10.0.0.1',
      'fe80::1%eth0',
      '',
      'no address',
    ),
  )
  const texts = fc.record({
    tenant: text,
    keyId: text,
    route: text,
    host: text,
    path: text,
    userAgent: text,
    requestId: text,
    traceId: text,
    package: text,
    version: text,
    upstream: text,
  })
  const numbers = fc.record({
    status: number,
    bytesReceived: number,
    bytesSent: number,
    durationUs: number,
    upstreamUs: number,
    ms: fc.nat(999),
  })
  const instance = await registered()
  const encoder = new RowEncoder(instance.id)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(texts, numbers, address), { minLength: 1, maxLength: 30 }),
      async (made) => {
        const entries = made.map(([strings, { ms, ...rest }, clientIp]) =>
          Object.assign(new AccessEntry(), strings, rest, { clientIp, startedAtMs: at.getTime() + ms }),
        )
        const tests = entries.map((entry) => ({
          tenant: 'acme',
          startedAt: new Date(entry.startedAtMs),
          entry,
        }))
        const encode = (_: unknown, seq: number): string => {
          const entry = entries.shift() ?? new AccessEntry()
          // As UTF-8, which is what is hashed and stored.
          return Buffer.from(encoder.row(Object.assign(entry, { seq }))).toString()
        }
        await instance.store(instance.seal(tests, { encode }))
      },
    ),
    { numRuns: 40 },
  )
  await instance.store(instance.seal([], { isFinal: true }))
  for await (const one of auditInstances(sql, {}, { isDeep: true })) {
    t.same(
      one.gaps.map(({ line }) => line),
      [],
    )
  }
})

t.test('exit 0 and the books when complete; 1 and each gap in a line when not', async (t) => {
  const instance = await registered()
  const make = (n: number, tenant: string) => Array.from({ length: n }, () => ({ tenant, startedAt: at }))
  await instance.store(instance.seal([...make(3, 'acme'), ...make(2, 'globex')]))
  const second = instance.seal(make(4, 'acme'))
  await instance.store(instance.seal(make(1, 'globex'), { isFinal: true }))
  await endInstance(sql, instance.id, { acceptedSeq: 10, spilledEntries: 4 })
  const gap = await waybill.run('audit', '--since', '2h')
  t.equal(gap.code, 1)
  t.match(
    gap.stdout,
    new RegExp(`gap: instance ${instance.id} on gw-[^\n]*: 4 entries: batch 2 is not stored`),
  )
  t.match(gap.stdout, /\nINCOMPLETE, 1 gap: \d+ accepted = \d+ stored/)
  t.notMatch(gap.stdout, '\x1b')
  await instance.store(second)
  const done = await waybill.run('audit', '--since', '2h', '--deep')
  t.match(done, { code: 0, stderr: '' })
  t.match(done.stdout, /INSTANCE +HOST +STATE +TENANT +ACCEPTED +STORED/)
  t.match(done.stdout, /\ncomplete: /)
  const json = await waybill.run('audit', '--tenant', 'globex', '--json')
  const result = JSON.parse(json.stdout) as AuditSummary & { readonly instances: InstanceAudit[] }
  t.equal(json.code, 0)
  t.match(result, { isComplete: true, tenant: 'globex', since: null, total: { accepted: 3, stored: 3 } })
  const mine = result.instances.find((one) => one.instance.id === instance.id)
  t.match(mine, { state: 'ended', gaps: [], accounts: [{ tenant: 'globex', accepted: 3 }] })
  t.match(await waybill.run('audit', '--since', '1h', '--until', '2h', '--tenant', 'A'), {
    code: 2,
    stderr: /--since must be before[^]*--tenant/,
  })
  const empty = await waybill.run('audit', '--until', '2020-01-01', '--json')
  t.equal(empty.code, 1, 'G5: an audit of nothing proves nothing')
  t.match(await waybill.run('audit', '--until', '2020-01-01'), { code: 1, stdout: /NOTHING TO AUDIT/ })
  t.match(await waybill.run('audit', '--tenant', 'nosuch'), { code: 1, stderr: /there is no tenant nosuch/ })
  t.match(done.stdout, /\ndatabase: waybill\S* /, 'G5: the database that was read is named')
  await registerInstance(sql, {
    id: '00000000-0000-4000-8000-000000000011',
    host: 'gw-live',
    version: '0.1.0',
    startedAt: new Date(),
    capacityEntries: 10,
    journalMs: null,
  })
  const live = await waybill.run('audit', '--since', '2h')
  t.equal(live.code, 3, 'D11: a live gateway may have accepted more')
  t.match(live.stdout, /\ncomplete up to \d{4}-[^\n]*rows counted, not compared[^\n]*--settle/)
  await sql`DELETE FROM instances WHERE id = '00000000-0000-4000-8000-000000000011'`
  t.match(JSON.parse(empty.stdout), { instanceCount: 0, instances: [], total: { accepted: 0 } })
})

t.test('quarantined rows are listed, shown, stored again and dropped', async (t) => {
  const instance = await registered()
  const entries = ['acme', 'acme', 'globex'].map((tenant) => ({
    tenant,
    startedAt: at,
    path: `/of-${tenant}`,
  }))
  await instance.store(instance.seal(entries), [0, 1, 2])
  await instance.store(instance.seal([], { isFinal: true }))
  const list = async (...args: readonly string[]) => {
    const { code, stdout } = await waybill.run('quarantine', 'list', '--json', ...args)
    t.equal(code, 0)
    return JSON.parse(stdout) as { id: number; tenant: string; resolution: string | null }[]
  }
  const [first, second] = await list('--tenant', 'acme')
  const id = String(first?.id)
  t.match(await waybill.run('quarantine', 'list'), { code: 0, stdout: /refused for the test/ })
  const shown = await waybill.run('quarantine', 'show', id)
  t.match(shown, { code: 0, stdout: /code: 22021[^]*path: \/of-acme/ })
  t.match(JSON.parse((await waybill.run('quarantine', 'show', id, '--json')).stdout), {
    entry: { tenant: 'acme' },
  })
  t.match(await waybill.run('quarantine', 'retry', id), { code: 0, stderr: `row ${id}: stored\n` })
  t.match(await waybill.run('quarantine', 'retry', id), {
    code: 0,
    stderr: `row ${id}: was decided on before\n`,
  })
  const other = String(second?.id)
  t.match(await waybill.run('quarantine', 'drop', other), { code: 2, stderr: '--yes' })
  t.match(await waybill.run('quarantine', 'drop', other, '--yes'), {
    code: 0,
    stderr: `row ${other}: dropped\n`,
  })
  t.match(await waybill.run('quarantine', 'retry', '--all', '--tenant', 'globex'), {
    code: 0,
    stderr: 'stored',
  })
  t.same(await list(), [])
  t.same(
    (await list('--all')).map(({ resolution }) => resolution),
    ['stored', 'dropped', 'stored'],
  )
  t.match(await waybill.run('quarantine', 'show', '999999'), { code: 1, stderr: 'there is no row 999999' })
  t.match(await waybill.run('quarantine', 'drop', '999999', '--yes'), { code: 1 })
  t.match(await waybill.run('quarantine', 'retry'), { code: 2, stderr: 'give the ids of rows, or --all' })
  t.match(await waybill.run('audit'), { code: 1, stdout: 'tenant acme, ' })
})
