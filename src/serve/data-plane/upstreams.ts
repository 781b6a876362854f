import { documentRewriting } from '../../artifacts/rewrite/documents.ts'
import type { Options } from '../../config/options.ts'
import { systemNames } from '../../lib/host/system-names.ts'
import { systemClock } from '../../lib/time/clock.ts'
import { StateLines } from '../../lib/time/state-lines.ts'
import type { Logger } from '../../logger/logger.ts'
import type { AddressState } from '../../model/upstream/health-rules.ts'
import type { Interceptor } from '../../upstream/dispatcher.ts'
import { HealthBook } from '../../upstream/health/health-book.ts'
import type { RetryCounters } from '../../upstream/health/retry-counters.ts'
import type { AddressChange } from '../../upstream/health/route-health.ts'
import { UpstreamPools } from '../../upstream/pools.ts'
import { followRedirects } from '../../upstream/steps/follow-redirects.ts'
import { retries } from '../../upstream/steps/retries.ts'
import type { TokenCounters } from '../../upstream/tokens/token-counters.ts'
import { upstreamTokens } from '../../upstream/tokens/upstream-tokens.ts'

/** The pools of upstream connections, and how this process resolves names, as the options say. */
export function openUpstreams(o: Options, logger: Logger): UpstreamPools {
  systemNames.options = {
    cacheMs: o['dns.cacheMs'],
    staleMs: o['dns.staleMs'],
    timeoutMs: o['dns.timeoutMs'],
    maxLookups: o['dns.maxLookups'],
  }
  const lines = new StateLines(systemClock)
  return new UpstreamPools({
    maxPools: o['proxy.maxUpstreamPools'],
    health: new HealthBook((change) => tellChange(logger, lines, change)),
    pool: {
      maxAgeMs: o['upstreams.maxAgeMs'],
      restMs: o['upstreams.restMs'],
      slowAfterMs: o['upstreams.slowAfterMs'],
      slowBytesPerSecond: o['upstreams.slowBytesPerSecond'],
    },
  })
}

/** In the words of `AddressState`. Trials have no line: while a server is away there is one again and again. */
const CHANGES: Readonly<Record<Exclude<AddressState, 'half_open'>, string>> = {
  open: 'upstream left alone: too many requests failed',
  ejected: 'upstream left out: failures in a row',
  unhealthy: 'upstream unhealthy by its checks',
  serving: 'upstream serves again',
}

function tellChange(logger: Logger, lines: StateLines, { route, upstream, state }: AddressChange): void {
  if (state === 'half_open') return
  const level = state === 'serving' ? 'info' : 'warn'
  lines.note(`${route} ${upstream}`, state, (times) => {
    logger[level]({ route, upstream, state, ...(times > 1 ? { times } : {}) }, CHANGES[state])
  })
}

/** What routes have before their upstreams, the outermost first, as the options say. */
export function interceptorsOf(o: Options, counters: TokenCounters, again: RetryCounters): Interceptor[] {
  return [
    documentRewriting({
      maxBytes: o['artifacts.maxDocumentBytes'],
      malformed: o['artifacts.malformedDocuments'],
      foreign: o['artifacts.foreignAddresses'],
    }),
    followRedirects,
    upstreamTokens({ counters }),
    retries({ counters: again }),
  ]
}
