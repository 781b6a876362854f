import { hostname } from 'node:os'
import type { AdminSources } from '../../../admin/handlers.ts'
import { systemClock, type Clock } from '../../../lib/time/clock.ts'
import type { Finding } from '../../../model/events/event.ts'
import type { CertificateExpiry } from '../../../model/stats.ts'

/** Certificates are told of this long before they end, as the alert does. */
const EXPIRING_MS = 14 * 86_400_000
/** A gateway that is not ready for less is starting, or has had a bad moment. */
const NOT_READY_MS = 60_000

/** What a gateway finds of itself. */
export class OwnFindings {
  readonly #certificates: () => readonly CertificateExpiry[]
  readonly #readiness: AdminSources['readiness']
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #gateway = `${hostname()}:${process.pid}`
  /** Since when it has not been ready, by the looks; null while it is. */
  #notReadySinceMs: number | null = null

  constructor(parts: {
    readonly certificates: () => readonly CertificateExpiry[]
    readonly readiness: AdminSources['readiness']
    readonly clock?: Pick<Clock, 'nowMs'>
  }) {
    this.#certificates = parts.certificates
    this.#readiness = parts.readiness
    this.#clock = parts.clock ?? systemClock
  }

  /** Looks once. */
  async find(): Promise<Finding[]> {
    return [...this.#expiring(), ...(await this.#notReady())]
  }

  /** Once for each end of a certificate, by whichever gateway has it. */
  #expiring(): Finding[] {
    const untilMs = this.#clock.nowMs() + EXPIRING_MS
    return this.#certificates()
      .filter(({ expiresAtMs }) => expiresAtMs < untilMs)
      .map(({ name, expiresAtMs }) => ({
        id: `certificate.expiring:${name.slice(0, 200)}:${Math.floor(expiresAtMs / 1000)}`,
        type: 'certificate.expiring',
        data: { name, expiresAt: new Date(expiresAtMs).toISOString() },
      }))
  }

  /** Once for each time that it is not ready. */
  async #notReady(): Promise<Finding[]> {
    const { ready, reasons } = await this.#readiness()
    const nowMs = this.#clock.nowMs()
    if (ready) {
      this.#notReadySinceMs = null
      return []
    }
    this.#notReadySinceMs ??= nowMs
    if (nowMs - this.#notReadySinceMs < NOT_READY_MS) return []
    const since = new Date(this.#notReadySinceMs).toISOString()
    return [
      {
        id: `gateway.not_ready:${this.#gateway}:${since}`,
        type: 'gateway.not_ready',
        data: {
          gateway: this.#gateway,
          since,
          reasons: reasons.map(({ code, detail }) => ({ code, detail })),
        },
      },
    ]
  }
}
