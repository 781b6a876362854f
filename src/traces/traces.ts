import type { AccessEntry } from '../model/access-entry.ts'
import type { TraceStats } from '../model/stats.ts'
import { Exporter, type ExporterParts } from './exporter.ts'
import { newSpanId, newTraceId, requestSpans } from './request-spans.ts'
import { SPAN_KIND, type SpanLink } from './span.ts'

/** Requests that a COPY may still link to: those of a minute at 70 sampled ones a second. The oldest gives way. */
const MAX_UNSTORED = 4096
/** Links of one span: the default limit of OpenTelemetry's SDKs. */
const MAX_LINKS = 128

/** What of a batch a span tells. */
export interface StoredBatch {
  readonly instance: string
  readonly number: number
  readonly entries: number
  readonly range: { readonly firstSeq: number; readonly lastSeq: number } | null
}

/** Makes spans of entries that are in a sampled trace, in the background, and has them sent. */
export class Traces {
  readonly #exporter: Exporter
  #unstored: (SpanLink & { readonly seq: number })[] = []

  constructor(parts: ExporterParts) {
    this.#exporter = new Exporter(parts)
  }

  get stats(): TraceStats {
    return this.#exporter.stats
  }

  start(): void {
    this.#exporter.start()
  }

  /** Of each entry on its way to the database; of one that is in no trace it does nothing. A second call for an entry does nothing. */
  note(entry: AccessEntry): void {
    const { span } = entry
    if (span === null) return
    this.#exporter.add(requestSpans(entry))
    this.#unstored.push({ seq: entry.seq, traceId: entry.traceId, spanId: span.id })
    if (this.#unstored.length > MAX_UNSTORED) this.#unstored.shift()
    entry.span = null
  }

  /**
   * A batch has been stored, in this time (epoch ms): a span of its own, in a trace of its own, links to the requests in it. It does
   * nothing for a batch of another life than `life`, that of this process: what a dead one left is replayed here, and its seqs are those
   * of other requests.
   */
  stored(
    batch: StoredBatch,
    { life, startMs, endMs }: { readonly life: string; readonly startMs: number; readonly endMs: number },
  ): void {
    if (batch.instance !== life || batch.range === null || this.#unstored.length === 0) return
    const { firstSeq, lastSeq } = batch.range
    const isIn = ({ seq }: { readonly seq: number }): boolean => seq >= firstSeq && seq <= lastSeq
    const links = this.#unstored.filter(isIn)
    if (links.length === 0) return
    this.#unstored = this.#unstored.filter((each) => !isIn(each))
    this.#exporter.add([
      {
        traceId: newTraceId(),
        spanId: newSpanId(),
        parentId: '',
        name: 'COPY access_log',
        kind: SPAN_KIND.client,
        startMs,
        endMs,
        attributes: {
          'db.system.name': 'postgresql',
          'db.operation.name': 'COPY',
          'db.collection.name': 'access_log',
          'waybill.instance': batch.instance,
          'waybill.batch': batch.number,
          'waybill.entries': batch.entries,
        },
        isError: false,
        links: links.slice(0, MAX_LINKS),
      },
    ])
  }

  /** Sends what waits, within `ms`. */
  stop(ms: number): Promise<void> {
    return this.#exporter.stop(ms)
  }
}
