import type { TestGateway } from '../../harness/gateway.ts'

interface WhoAnswer {
  readonly users: readonly { readonly use: string; readonly requests: number; readonly bytes_sent: number }[]
  readonly coverage: { readonly state: string; readonly missingEntries: number }
}

/**
 * What `waybill who` knows of a package and a tenant: how many requests by what they were, such as `{ download: 1, lookup: 1 }`. Rejects
 * when it says that entries are missing.
 */
export async function who(
  gateway: TestGateway,
  purl: string,
  tenant: string,
): Promise<Record<string, number>> {
  // Exit 3: the gateway lives, and what it does now is not in the table yet.
  const { code, stdout, stderr } = await gateway.cli('who', purl, '--tenant', tenant, '--json')
  if (code !== 0 && code !== 3) throw new Error(`waybill who ${purl} exited with ${code}: ${stdout}${stderr}`)
  const found: Record<string, number> = {}
  for (const { use, requests } of (JSON.parse(stdout) as WhoAnswer).users)
    found[use] = (found[use] ?? 0) + requests
  return found
}
