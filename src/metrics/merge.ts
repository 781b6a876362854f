import { OTHER_LABEL, type FamilySamples, type Sample, type SampleExemplar } from './family.ts'

/** Puts two values together, by the word that `FamilySamples.merge` uses; `average` is done by `mergeFamilies`. */
const MERGES: Readonly<Record<string, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
  first: (a) => a,
  parallel: (a, b) => (a === 0 || b === 0 ? 0 : 1 / (1 / a + 1 / b)),
}

/**
 * The families of several processes as one process would tell them, in the order of their first appearance. prom-client's
 * averages (event loop delays) become maxima: one worker that hangs shall be seen; what it omits is left out.
 */
export function mergeFamilies(processes: readonly (readonly FamilySamples[])[]): FamilySamples[] {
  const merged = new Map<string, { family: FamilySamples; values: Map<string, Sample> }>()
  for (const families of processes) {
    for (const family of families) {
      if (family.merge === 'omit') continue
      const known = merged.get(family.name) ?? { family, values: new Map<string, Sample>() }
      merged.set(family.name, known)
      const merge = MERGES[family.merge] ?? Math.max
      for (const sample of family.values) {
        const key = keyOf(sample)
        const before = known.values.get(key)
        const value = before === undefined ? sample.value : merge(before.value, sample.value)
        const exemplar = newest(before?.exemplar, sample.exemplar)
        known.values.set(key, { ...sample, value, ...(exemplar === undefined ? {} : { exemplar }) })
      }
    }
  }
  return Array.from(merged.values(), ({ family, values }) => ({
    name: family.name,
    type: family.type,
    help: family.help,
    merge: family.merge,
    values: [...values.values()],
  }))
}

/** What of a process that has gone stays true: what it counted. Its levels went with it. */
export function countedFamilies(families: readonly FamilySamples[]): FamilySamples[] {
  return families.filter(({ type, merge }) => (type === 'counter' || type === 'histogram') && merge === 'sum')
}

/** Sums the tenants that `hasLabel` refuses under `__other__`, in the families that have such a label. */
export function foldTenants(
  families: readonly FamilySamples[],
  hasLabel: (tenant: string) => boolean,
): FamilySamples[] {
  return families.map((family) => {
    if (!family.values.some(({ labels }) => labels['tenant'] !== undefined)) return family
    const kept: Sample[] = []
    let other = 0
    for (const sample of family.values) {
      const tenant = sample.labels['tenant'] ?? OTHER_LABEL
      if (tenant !== OTHER_LABEL && hasLabel(tenant)) kept.push(sample)
      else other += sample.value
    }
    return { ...family, values: [...kept, { value: other, labels: { tenant: OTHER_LABEL } }] }
  })
}

function newest(
  one: SampleExemplar | undefined,
  other: SampleExemplar | undefined,
): SampleExemplar | undefined {
  return (one?.timestamp ?? 0) > (other?.timestamp ?? 0) ? one : other
}

function keyOf({ metricName = '', labels }: Sample): string {
  let key = metricName
  for (const name of Object.keys(labels).sort()) key += `\n${name}=${labels[name]}`
  return key
}
