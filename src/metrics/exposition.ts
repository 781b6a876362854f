import { Registry, type Metric, type RegistryContentType } from 'prom-client'
import { systemClock } from '../lib/time/clock.ts'
import type { ExpositionFormat } from './exposition-format.ts'
import type { FamilySamples, Sample } from './family.ts'

/** A scrape's answer. */
export interface Exposition {
  readonly contentType: string
  readonly body: string
}

/** The exposition of families that were read elsewhere. */
export async function exposeFamilies(
  families: readonly FamilySamples[],
  format: ExpositionFormat,
): Promise<Exposition> {
  const isOpen = format === 'openmetrics'
  const registry = new Registry<RegistryContentType>()
  registry.setContentType(isOpen ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE)
  for (const family of families) {
    const written = isOpen ? openMetricsFamily(family) : family
    // The registry asks no more of a metric than a name and a get() (prom-client 15, lib/registry.js); its type does.
    registry.registerMetric({ ...written, get: () => Promise.resolve(written) } as unknown as Metric)
  }
  const texts = await textsOf(registry)
  // OpenMetrics 1.0 knows no empty lines, and ends where it says so: what was cut off is told from what is whole.
  return {
    contentType: registry.contentType,
    body: isOpen ? [...texts, '# EOF\n'].join('\n') : bodyOf(texts),
  }
}

/** The exposition of a registry in the text format. Requests are served in between. */
export async function exposeRegistry(registry: Registry): Promise<Exposition> {
  return { contentType: registry.contentType, body: bodyOf(await textsOf(registry)) }
}

function bodyOf(texts: readonly string[]): string {
  return `${texts.join('\n\n')}\n`
}

async function textsOf(registry: Registry<RegistryContentType>): Promise<string[]> {
  const texts: string[] = []
  for (const { name } of registry.getMetricsAsArray()) {
    texts.push(await registry.getSingleMetricAsString(name))
    await systemClock.turn()
  }
  return texts
}

/** A counter's family has no `_total`, which prom-client gives its samples; bounds are canonical numbers (OpenMetrics 1.0). */
function openMetricsFamily(family: FamilySamples): FamilySamples {
  if (family.type === 'counter') return { ...family, name: family.name.replace(/_total$/, '') }
  return family.type === 'histogram' ? { ...family, values: family.values.map(withCanonicalBound) } : family
}

/** `1` is `1.0`. */
function withCanonicalBound(sample: Sample): Sample {
  // Those of prom-client are numbers.
  const { le = '' } = sample.labels
  return /^\d+$/.test(le) ? { ...sample, labels: { ...sample.labels, le: `${le}.0` } } : sample
}
