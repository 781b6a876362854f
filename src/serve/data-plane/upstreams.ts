import { documentRewriting } from '../../artifacts/rewrite/documents.ts'
import type { Options } from '../../config/options.ts'
import { systemNames } from '../../lib/host/system-names.ts'
import type { Interceptor } from '../../upstream/dispatcher.ts'
import { UpstreamPools } from '../../upstream/pools.ts'
import { followRedirects } from '../../upstream/steps/follow-redirects.ts'
import type { TokenCounters } from '../../upstream/tokens/token-counters.ts'
import { upstreamTokens } from '../../upstream/tokens/upstream-tokens.ts'

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

/** What routes have before their upstreams, the outermost first, as the options say. */
export function interceptorsOf(o: Options, counters: TokenCounters): Interceptor[] {
  return [
    documentRewriting({
      maxBytes: o['artifacts.maxDocumentBytes'],
      malformed: o['artifacts.malformedDocuments'],
      foreign: o['artifacts.foreignAddresses'],
    }),
    followRedirects,
    upstreamTokens({ counters }),
  ]
}
