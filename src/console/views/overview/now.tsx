import type { Overview } from '../../api/overview.ts'
import { Spark } from '../../parts/meter.tsx'
import { rates, type Sample, samples } from '../../state/live.ts'
import { bytes, count, percent, perSecond, several } from '../../words/format.ts'

interface Figure {
  readonly label: string
  readonly value: string
  readonly hint: string
  readonly read: (sample: Sample) => number
  readonly tone?: string
}

/** The rates of this second, each with its last five minutes. */
export function Now({ overview }: { readonly overview: Overview }) {
  const now = rates.value
  const { requests } = overview
  const failed = (sample: Sample): number => sample.byAnswerer.upstream + sample.byAnswerer.gateway
  const figures: readonly Figure[] = [
    {
      label: 'Requests per second',
      value: perSecond(now?.requests ?? null),
      hint: `${count(requests.total)} since start`,
      read: (sample) => sample.requests,
    },
    {
      label: 'Refused per second',
      value: perSecond(now?.byAnswerer.refused ?? null),
      hint: now === null ? '' : `${percent(now.byAnswerer.refused, now.requests)} of requests`,
      read: (sample) => sample.byAnswerer.refused,
      tone: 'refused',
    },
    {
      label: 'Failed per second',
      value: perSecond(now === null ? null : failed(now)),
      hint: 'by upstreams or the gateway',
      read: failed,
      tone: 'upstream',
    },
    {
      label: 'Sent per second',
      value: now === null ? '–' : bytes(Math.round(now.bytesSent)),
      hint: `${bytes(requests.bytesSent)} since start`,
      read: (sample) => sample.bytesSent,
    },
    {
      label: 'Entries stored per second',
      value: perSecond(now?.stored ?? null),
      hint: `${several(requests.inFlight, 'request')} in flight`,
      read: (sample) => sample.stored,
    },
  ]
  return (
    <section aria-label="Now" class="figures">
      {figures.map(({ label, value, hint, read, tone = 'ok' }) => (
        <div class={`figure ${tone}`} key={label}>
          <p class="figure-label">{label}</p>
          <p class="figure-value">{value}</p>
          <p class="hint">{hint}</p>
          <Spark values={samples.value.map(read)} label={`${label}, last five minutes`} />
        </div>
      ))}
    </section>
  )
}
