import type { TestGateway } from './gateway.ts'

/** Books as `waybill audit --json` prints them. */
interface AuditBooks {
  readonly tenant?: string
  readonly accepted: number
  readonly stored: number
  readonly quarantined: number
  readonly dropped: Readonly<Record<string, number>>
}

/** One gap as `waybill audit --json` prints it. */
export interface AuditGap {
  readonly kind: string
  readonly instance: string
  readonly tenant: string | null
  readonly entries: number | null
  readonly entriesAtMost: number | null
  readonly requestsAtMost: number | null
  readonly batches: readonly [number, number] | null
  readonly line: string
}

/** The document of `waybill audit --json`, as far as tests look at it. */
interface AuditReport {
  readonly isComplete: boolean
  readonly batches: number
  readonly waiting: number
  readonly gapCount: number
  /** Not null when live gateways may have accepted more. */
  readonly settledTo: string | null
  readonly total: AuditBooks
  readonly tenants: readonly AuditBooks[]
  readonly instances: readonly {
    readonly instance: { readonly id: string }
    readonly state: string
    readonly gaps: readonly AuditGap[]
  }[]
}

/** Runs `waybill audit --json` with more flags. Rejects when it prints no JSON, or its exit status is not that of its verdict. */
export async function readAudit(
  gateway: TestGateway,
  ...flags: readonly string[]
): Promise<AuditReport & { readonly gaps: readonly AuditGap[] }> {
  const { code, stdout, stderr } = await gateway.cli('audit', '--json', ...flags)
  const what = `waybill audit ${flags.join(' ')} exited with ${code}`
  if (stderr !== '') throw new Error(`${what}: ${stderr}`)
  const report = JSON.parse(stdout) as AuditReport
  const { isComplete, batches, settledTo } = report
  const expected = !isComplete || batches === 0 ? [1] : settledTo === null ? [0] : [0, 3]
  if (code === null || !expected.includes(code)) throw new Error(`${what}: ${stdout}`)
  return { ...report, gaps: report.instances.flatMap(({ gaps }) => gaps) }
}
