import t from 'tap'
import { availableCores } from './cores.ts'

t.test('the cores are those of the affinity, or of the quota of a container', async (t) => {
  const files = (entries: Record<string, string>) => (file: string) => entries[file] ?? null
  const v2 = '/sys/fs/cgroup/cpu.max'
  const v1 = '/sys/fs/cgroup/cpu/'
  const cases: readonly [number, Record<string, string>, number][] = [
    [8, {}, 8],
    [8, { [v2]: 'max 100000' }, 8],
    [8, { [v2]: '200000 100000' }, 2],
    [8, { [v2]: '250000 100000' }, 2],
    [8, { [v2]: '50000 100000' }, 1],
    [2, { [v2]: '800000 100000' }, 2],
    [8, { [v2]: 'nonsense' }, 8],
    [8, { [`${v1}cpu.cfs_quota_us`]: '-1', [`${v1}cpu.cfs_period_us`]: '100000' }, 8],
    [8, { [`${v1}cpu.cfs_quota_us`]: '300000', [`${v1}cpu.cfs_period_us`]: '100000' }, 3],
    [0, {}, 1],
  ]
  for (const [parallelism, entries, cores] of cases) {
    t.equal(availableCores(parallelism, files(entries)), cores, JSON.stringify(entries))
  }
  t.ok(availableCores() >= 1, 'and those of this machine can be told')
})
