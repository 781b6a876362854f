import type { Config } from '../../config/config.ts'
import { OPTIONS, optionRow, type OptionName, type Options } from '../../config/options.ts'
import type { Route } from '../../model/route.ts'

/**
 * The configuration of one of `count` workers: what bounds the whole gateway is divided evenly, as connections are. What has
 * a least sensible value keeps that, so that many workers may together hold more than a small bound says. The spill's bound
 * is of the folder, which all share.
 */
export function workerConfig(config: Config, count: number): Config {
  const o = config.options
  const options: Options = {
    ...o,
    // The primary gives out the labels, when it has put the tenants of all workers together.
    'metrics.tenantLabels': o['metrics.tenantLabels'] === 0 ? 0 : MAX_TENANT_LABELS,
    'accessLog.capacityEntries': Math.max(
      OPTIONS['accessLog.capacityEntries'].read(MIN_CAPACITY_ENTRIES),
      o['accessLog.maxBatchEntries'],
      Math.ceil(o['accessLog.capacityEntries'] / count),
    ),
    'proxy.maxConnectionsPerSource': Math.ceil(o['proxy.maxConnectionsPerSource'] / count),
    'accessLog.capacityBytes': Math.max(
      o['accessLog.maxBatchBytes'],
      Math.ceil(o['accessLog.capacityBytes'] / count),
    ),
  }
  const routes = config.routes.map((route): Route => ({
    ...route,
    maxConnections: Math.max(1, Math.floor(route.maxConnections / count)),
    maxQueued: Math.min(route.maxQueued, Math.max(1, Math.floor(route.maxQueued / count))),
  }))
  return { ...config, options, routes }
}

const MIN_CAPACITY_ENTRIES = 4096
const MAX_TENANT_LABELS = 10_000

/** Whether new workers are enough for a changed option to take effect. */
export function actsOnNewWorkers(name: OptionName): boolean {
  return optionRow(name).actsOn !== 'restart'
}
