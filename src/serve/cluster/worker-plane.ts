import type { LimitNews } from '../../limits/limit-news.ts'
import { LimitPeer } from '../../limits/limit-peer.ts'
import type { RootLogger } from '../../logger/logger.ts'
import { closeSql, openControl } from '../../store/sql.ts'
import { DeathWatch } from '../control-plane/death-watch.ts'
import { DataPlane } from '../data-plane.ts'
import { boundConnections } from '../descriptors.ts'
import { Lifecycle, type Service } from '../lifecycle.ts'
import type { WorkerStart } from './messages.ts'

/** What a worker has beside the messages: a data plane, and the order in which that starts and stops. */
export interface WorkerPlane {
  readonly data: DataPlane
  readonly life: Lifecycle
}

/** Puts a worker's data plane together. `tellLimits` sends the primary what it has to know of the limits. */
export function openWorkerPlane(
  { config, target, via, worker, workers }: WorkerStart,
  { instance, logger }: { readonly instance: string; readonly logger: RootLogger },
  tellLimits: (news: LimitNews) => void,
): WorkerPlane {
  const { options } = config
  const control = openControl(target)
  // Which processes of this machine have died is looked for by the primary.
  const deaths = new DeathWatch({ sql: control, logger, folder: null })
  const data = new DataPlane({
    config,
    target,
    control,
    logger,
    instance,
    via,
    isDirectoryWriter: worker === 1,
    maxConnections: boundConnections(options['proxy.maxConnections'], null),
    peers: new LimitPeer(workers, tellLimits),
    onDead: (id, isCutOff) => deaths.inherited(id, isCutOff),
    state: () => life.state,
    gatewayVitals: () => ({ audit: null, figures: null, events: null }),
  })
  const own: Service = {
    starts: { deaths: () => deaths.start(), 'proxy listener': () => data.startHanded() },
    stops: { deaths: (ms) => deaths.stop(ms), 'database handles': (ms) => closeSql(control, ms) },
  }
  const life = new Lifecycle({ services: [data, own], options, logger })
  return { data, life }
}
