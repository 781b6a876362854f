/** How a scrape's answer is written: Prometheus' text format 0.0.4, or OpenMetrics 1.0. */
export type ExpositionFormat = 'text' | 'openmetrics'

const OPENMETRICS = 'application/openmetrics-text'
const OPENMETRICS_VERSION = '1.0.0'
const TEXT_RANGES: ReadonlySet<string> = new Set(['text/plain', 'text/*', '*/*'])

/**
 * The format for a scraper that sends this field Accept (RFC 9110 §12.5.1); '' for none. OpenMetrics for those who name it, in the version
 * 1.0.0 or in none, and prefer the text format no more; `*` asks for the text format, which everybody reads.
 */
export function formatFor(accept: string): ExpositionFormat {
  let openMetrics = 0
  let text = 0
  for (const { range, version, quality } of acceptedRanges(accept)) {
    if (range === OPENMETRICS && (version === '' || version === OPENMETRICS_VERSION))
      openMetrics = Math.max(openMetrics, quality)
    else if (TEXT_RANGES.has(range)) text = Math.max(text, quality)
  }
  return openMetrics > 0 && openMetrics >= text ? 'openmetrics' : 'text'
}

function acceptedRanges(accept: string): { range: string; version: string; quality: number }[] {
  return accept.split(',').map((part) => {
    const [range = '', ...parameters] = part.split(';').map((word) => word.trim().toLowerCase())
    const valueOf = (name: string): string | undefined =>
      parameters
        .find((parameter) => parameter.startsWith(`${name}=`))
        ?.slice(name.length + 1)
        .replace(/^"(.*)"$/, '$1')
    const quality = Number(valueOf('q') ?? 1)
    return { range, version: valueOf('version') ?? '', quality: quality >= 0 && quality <= 1 ? quality : 0 }
  })
}
