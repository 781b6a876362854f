import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const CPU_MAX_V2 = '/sys/fs/cgroup/cpu.max'
const QUOTA_V1 = '/sys/fs/cgroup/cpu/cpu.cfs_quota_us'
const PERIOD_V1 = '/sys/fs/cgroup/cpu/cpu.cfs_period_us'

/**
 * Cores that this process may use: its CPU affinity and, on Linux, what a container's quota allows in whole cores
 * (cgroup v2 `cpu.max`, v1 `cpu.cfs_quota_us`; Node looks at quotas itself only from 22 on). At least 1.
 */
export function availableCores(
  parallelism: number = availableParallelism(),
  read: (file: string) => string | null = readText,
): number {
  const [quota = '', period = ''] = (read(CPU_MAX_V2) ?? `${read(QUOTA_V1)} ${read(PERIOD_V1)}`).split(/\s+/)
  const cores = Number(quota) / Number(period)
  // "max" and a negative quota mean none.
  if (!Number.isFinite(cores) || cores <= 0) return Math.max(1, parallelism)
  return Math.max(1, Math.min(parallelism, Math.floor(cores)))
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return null // another system, or no cgroup
  }
}
