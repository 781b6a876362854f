import t from 'tap'
import { testDatabase } from '../../test/database.ts'
import { TestInstance } from '../../test/ledger.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { closeSql, openReader } from '../sql.ts'
import { readSeries } from './series.ts'

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 30_000 })
t.teardown(() => closeSql(reader, 1000))

t.test('a series of more points than are read is refused, and not cut', async (t) => {
  const startedAt = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 3_600_000)
  await ensurePartitions(sql, startedAt, 2)
  const instance = new TestInstance(sql)
  for (let from = 0; from <= 50_000; from += 10_000) {
    const count = from === 50_000 ? 1 : 10_000
    const entries = Array.from({ length: count }, (_, i) => ({ tenant: `t${from + i}`, startedAt }))
    await instance.store(instance.seal(entries))
  }
  const query = { since: startedAt, until: new Date(startedAt.getTime() + 60_000), stepMinutes: 1 }
  await t.rejects(readSeries(reader, { ...query, by: 'tenant' }), { code: 'series_too_large' })
  t.match((await readSeries(reader, { ...query, by: 'class' })).points, [{ key: '2xx', requests: 50_001 }])
})
