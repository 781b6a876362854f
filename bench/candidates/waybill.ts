import type { Candidate, Running, Surroundings } from '../harness/candidate.ts'
import type { Database } from '../harness/database.ts'
import { Gateway } from '../harness/gateway.ts'
import { insertKeys } from '../harness/keys.ts'
import { otherBuildOf } from '../harness/other-build.ts'
import { PRODUCT } from '../harness/paths.ts'
import { untilTrue } from '../harness/wait.ts'

const ROUTE_RATE = { perSecond: 1_000_000, burst: 1_000_000 }
/** As many tenants as any scenario uses; all but those wait in the snapshot. */
const TENANTS = 5000

interface Features {
  readonly name: string
  readonly what: string
  /** Default true: requests present keys. Without, there is no tenant and so nothing to limit. */
  readonly hasKeys?: boolean
  readonly hasLimits?: boolean
  /** Default true. Without, the database is away and the spill off: entries are made, and dropped and counted. */
  readonly isStored?: boolean
  readonly isJournalled?: boolean
}

function waybill(features: Features, product = PRODUCT): Candidate {
  const { name, what, hasKeys = true, hasLimits = true, isStored = true, isJournalled = false } = features
  const start = async (surroundings: Surroundings): Promise<Running> => {
    const { folder, upstreamPort, placement } = surroundings
    const database = await surroundings.newDatabase(name)
    Gateway.migrate(database, folder, product)
    const keys = hasKeys ? await insertKeys(database, TENANTS, hasLimits) : []
    const gateway = await Gateway.start({
      cpus: placement.candidate,
      folder,
      upstreamPort,
      database,
      product,
      route: { auth: hasKeys ? 'key' : 'public', ...(hasKeys && hasLimits ? { rateLimit: ROUTE_RATE } : {}) },
      config: isStored ? { accessLog: { journal: isJournalled } } : UNSTORED,
    })
    if (!isStored) await surroundings.cutOff(database)
    return {
      port: gateway.port,
      pid: gateway.process.pid,
      keys,
      log: {
        databasePid: surroundings.databasePid,
        catchUp: (entries) => (isStored ? catchUp(database, entries) : settleAccepted(gateway, entries)),
        settle: (entries) => (isStored ? settle(database, entries) : settleAccepted(gateway, entries)),
        stored: async () => (isStored ? rows(database) : (await gateway.overview()).accessLog.accepted),
        isStored,
      },
      stop: () => gateway.process.stop(),
    }
  }
  return { name, what, missing: () => null, start }
}

/**
 * The smallest channel, so that it is full at once and stays so; and hardly an attempt to reach the database, which would be measured
 * as if it were forwarding.
 */
const UNSTORED = {
  directory: { pollIntervalMs: 60_000 },
  spill: { maxBytes: 0 },
  accessLog: { capacityEntries: 4096, maxBatchEntries: 4096, backoffMinMs: 60_000, backoffMaxMs: 60_000 },
}

const NEWEST = 'SELECT last_seq::integer AS n FROM access_ledger ORDER BY instance DESC, batch DESC LIMIT 1'
const ALL = 'SELECT sum(entries)::integer AS n FROM access_ledger'
/** Default of `accessLog.flushEntries`. */
const BATCH = 128

async function ask(database: Database, sql: string): Promise<number> {
  return (await database.query<{ n: number | null }>(sql))[0]?.n ?? 0
}

/** Asks the ledger, not the gateway, whose CPU time is being measured. The newest batch is one look at an index. */
async function catchUp(database: Database, entries: number): Promise<void> {
  if (entries <= BATCH) return
  const isNear = async (): Promise<boolean> => (await ask(database, NEWEST)) >= entries - BATCH
  await untilTrue(`about ${entries} entries are stored`, isNear, { timeoutMs: 60_000, everyMs: 50 })
}

/** Adds up all batches when the newest is there: a replay stores older ones later. */
async function settle(database: Database, entries: number): Promise<void> {
  if (entries === 0) return
  const isStored = async (): Promise<boolean> =>
    (await ask(database, NEWEST)) >= entries - 1 && (await ask(database, ALL)) >= entries
  await untilTrue(`${entries} entries are stored`, isStored, { timeoutMs: 60_000, everyMs: 50 })
}

/** For a gateway whose entries go nowhere. */
async function settleAccepted(gateway: Gateway, entries: number): Promise<void> {
  const isThere = async (): Promise<boolean> => (await gateway.overview()).accessLog.accepted >= entries
  await untilTrue(`the gateway has accepted ${entries} entries`, isThere, { everyMs: 50 })
}

async function rows(database: Database): Promise<number> {
  const [row] = await database.query<{ n: number }>('SELECT count(*)::integer AS n FROM access_log')
  return row?.n ?? Number.NaN
}

const EVERYTHING: Features = {
  name: 'waybill',
  what: 'keys, limits of tenant, key and route, entries by COPY',
}

/** Each feature switched off in turn, then all of them; and the one that is off by default. */
const VARIANTS: readonly Features[] = [
  { name: 'waybill-no-limits', what: 'no rates, no concurrency limit', hasLimits: false },
  { name: 'waybill-public', what: 'auth: public: no keys, and so no limits', hasKeys: false },
  {
    name: 'waybill-unstored',
    what: 'database away, spill off: entries are dropped and counted',
    isStored: false,
  },
  {
    name: 'waybill-off',
    what: 'auth: public, and entries dropped: forwarding',
    hasKeys: false,
    isStored: false,
  },
  { name: 'waybill-journal', what: 'everything, and accessLog.journal', isJournalled: true },
]

/** Waybill in all its forms, everything on first. */
export const waybills: readonly Candidate[] = [EVERYTHING, ...VARIANTS].map((features) => waybill(features))

/** The same of another build, by the path of its `dist/main.js` and its commit. */
export function waybillsOfBuild(product: string, commit: string): readonly Candidate[] {
  return [EVERYTHING, ...VARIANTS].map((features) => {
    const what = `${features.what}; build of ${commit}`
    return waybill({ ...features, name: otherBuildOf(features.name), what }, product)
  })
}
