import type { Options } from '../../config/options.ts'
import { systemNames } from '../../lib/host/system-names.ts'
import { UpstreamPools } from '../../upstream/pools.ts'

/** The pools of upstream connections, and how this process resolves names, as the options say. */
export function openUpstreams(o: Options): UpstreamPools {
  systemNames.options = {
    cacheMs: o['dns.cacheMs'],
    staleMs: o['dns.staleMs'],
    timeoutMs: o['dns.timeoutMs'],
    maxLookups: o['dns.maxLookups'],
  }
  return new UpstreamPools({
    maxPools: o['proxy.maxUpstreamPools'],
    pool: {
      maxAgeMs: o['upstreams.maxAgeMs'],
      restMs: o['upstreams.restMs'],
      slowAfterMs: o['upstreams.slowAfterMs'],
      slowBytesPerSecond: o['upstreams.slowBytesPerSecond'],
    },
  })
}
