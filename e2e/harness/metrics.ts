/** One scrape. */
export interface Scrape {
  /** Sum of a family's samples whose labels include all those given; NaN when there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number
}

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Reads the Prometheus text format 0.0.4, as far as prom-client writes it. Throws on a line that is no sample. */
export function parseMetrics(text: string): Scrape {
  const samples: Sample[] = []
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (match === null) throw new Error(`not a metrics line: ${line}`)
    const labels: Record<string, string> = {}
    for (const [, name = '', value = ''] of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name] = value
    }
    samples.push({ name: match[1] ?? '', labels, value: Number(match[3]) })
  }
  return {
    sum: (name, wanted = {}) => {
      const found = samples.filter(
        (sample) =>
          sample.name === name &&
          Object.entries(wanted).every(([label, value]) => sample.labels[label] === value),
      )
      return found.length === 0 ? Number.NaN : found.reduce((total, { value }) => total + value, 0)
    },
  }
}
