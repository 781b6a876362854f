import { storableText } from '../../writer/batch/encode.ts'
import type { Watched } from '../../lib/promised-bound.ts'
import type { UnderWay, UnderWayList } from '../../model/audit/under-way.ts'
import type { Handler } from '../../proxy/handler.ts'
import type { ProxyCounters } from '../../proxy/stats.ts'
import { longUnderWay } from '../../proxy/exchange/under-way.ts'

/** A request that has been under way for two signs of life is named in them. */
const LONG_MS = 4000

/** What the proxy does at present, as far as its end would cost entries. */
export interface Traffic {
  /** Requests. */
  readonly inFlight: Watched
  /** Those that take long, in texts that PostgreSQL's jsonb takes. */
  readonly underWay: () => UnderWayList
}

/** `handler` may not be there yet. */
export function trafficOf(counters: ProxyCounters, handler: () => Handler): Traffic {
  return {
    inFlight: counters.requestsInFlight,
    underWay: () => {
      const { count, named } = longUnderWay(handler().exchanges, LONG_MS, performance.now())
      return { count, named: named.map(storable) }
    },
  }
}

function storable(one: UnderWay): UnderWay {
  const [tenant, route, method] = [one.tenant, one.route, one.method].map(storableText)
  const [path, clientIp, requestId] = [one.path, one.clientIp, one.requestId].map(storableText)
  return Object.assign({}, one, { tenant, route, method, path, clientIp, requestId })
}
