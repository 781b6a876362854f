import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { TestLog } from '../test/log.ts'
import type { EntrySink } from '../model/access-entry.ts'
import { mintKey } from '../model/api-key.ts'
import { LOG_POLICIES, type LogPolicy } from '../model/log-policy.ts'
import { startGateway, testRoute } from '../test/gateway.ts'
import { tenantOf } from '../test/grants.ts'
import { projectFolder } from '../version.ts'
import { readinessOf } from './data-plane/readiness.ts'
import {
  DATABASES,
  type DatabaseState,
  DISKS,
  type DiskState,
  type Experience,
  LogCell,
} from '../test/log-cell.ts'

const DOCUMENT = join(projectFolder(), 'docs/log-policies.md')
const TITLES: Readonly<Record<DatabaseState | DiskState, string>> = {
  healthy: 'healthy',
  slow: 'slow',
  frozen: 'frozen',
  down: 'down',
  free: 'has room',
  full: 'full, or `spill.maxBytes` reached',
  off: 'off (`spill.maxBytes: 0`)',
  hanging: 'hangs',
}

/** What became of a tenant, in the words of the document. */
function words(policy: LogPolicy, { refused, spilled, dropped }: Experience): string {
  if (refused.log_blocked > 0) return '503 `log_blocked`; what was let through is kept, and stored later'
  if (refused.log_full > 0) return '503 `log_full` beyond its places; what was let through is stored'
  if (dropped > 0) {
    const when = policy === 'best_effort' ? 'goes first when that is full' : 'dropped when that is full'
    return `goes on; waits in memory, ${when}`
  }
  return spilled > 0 ? 'goes on; to disk, stored later' : 'goes on; stored'
}

/** A gateway that asks whichever log it is given, with a tenant of each policy. */
async function gatewayOn(t: Test, log: () => TestLog) {
  const sink: EntrySink = {
    push: (entry) => log().channel.push(Object.assign(entry, { path: `/${entry.standing}` })),
    reserve: (tenant) => log().channel.reserve(tenant),
  }
  const upstream = createServer((_, response) => response.end()).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const gateway = await startGateway(t, { sink, now: () => log().clock.nowMs() })
  gateway.setRoutes([testRoute((upstream.address() as AddressInfo).port)])
  t.teardown(() => upstream.close())
  const keys = LOG_POLICIES.map((policy) => {
    const key = mintKey()
    gateway.directory.tenant(policy, { logPolicy: policy })
    gateway.directory.key(key, { tenant: policy })
    return key.text
  })
  /** Status of a request of each tenant at this moment. */
  const statuses = async (): Promise<number[]> => {
    const found: number[] = []
    for (const key of keys) {
      const client = await gateway.client()
      client.send(`GET /r/x HTTP/1.1\r\nHost: gw\r\nX-Api-Key: ${key}\r\n\r\n`)
      found.push((await client.message()).status)
      client.socket.destroy()
      await gateway.quiet()
    }
    return found
  }
  return statuses
}

t.test('docs/log-policies.md says what happens in each state of Postgres and the disk', async (t) => {
  let log = new TestLog()
  const statuses = await gatewayOn(t, () => log)
  const lines = [
    `| Postgres | disk | \`best_effort\` | \`spill\` | \`strict\` | \`/readyz\` with a strict tenant |`,
    '|---|---|---|---|---|---|',
  ]
  for (const database of DATABASES) {
    for (const disk of DISKS) {
      await t.test(`Postgres ${database}, disk ${disk}`, async (t) => {
        const cell = new LogCell(database, disk)
        log = cell.log
        await cell.suffer()
        const said = LOG_POLICIES.map((policy) => words(policy, cell.tenants[policy]))
        t.equal(cell.isOrderBroken, false, 'entries of best_effort give way first')
        if (cell.tenants.strict.refused.log_full > 0) cell.claimAll()
        const isRefused = said[2]?.startsWith('503') === true
        t.same(await statuses(), [200, 200, isRefused ? 503 : 200], 'the handler does as the table says')
        if (!isRefused) cell.tenants.strict.answered++
        const { reserveRefusal } = cell.log.channel
        const { reasons } = readinessOf({ phase: 'ready', snapshot: strictSnapshot(), reserveRefusal })
        t.equal(reasons[0]?.code === 'log_blocked', said[2]?.includes('log_blocked'), 'blocked, and says so')
        const ready = reasons[0] === undefined ? '200' : `503 \`${reasons[0].code}\``
        lines.push(`| ${[TITLES[database], TITLES[disk], ...said, ready].join(' | ')} |`)
        t.same(await cell.recover(), [], 'afterwards all promises are kept and the books balance')
        t.equal(cell.log.channel.reserveRefusal, null, 'and places are promised again')
      })
    }
  }
  // After a wanted change: WAYBILL_UPDATE_SNAPSHOT=1 node dist/serve/log-policies.test.js, and read the difference.
  const between = /(?<=<!-- table:begin -->\n\n)[^]*?(?=\n\n<!-- table:end -->)/
  const table = lines.join('\n')
  const document = readFileSync(DOCUMENT, 'utf8')
  if (process.env['WAYBILL_UPDATE_SNAPSHOT'] === '1')
    writeFileSync(DOCUMENT, document.replace(between, table))
  t.equal(between.exec(readFileSync(DOCUMENT, 'utf8'))?.[0], table)
})

function strictSnapshot() {
  const tenant = tenantOf({ slug: 'strict', logPolicy: 'strict' })
  return {
    keyCount: 0,
    tenants: new Map([['strict', tenant]]),
    keyByDigest: () => undefined,
    keyById: () => undefined,
    signingKeys: [],
  }
}
