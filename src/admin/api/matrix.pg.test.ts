import t from 'tap'
import { digestKey, mintKey } from '../../model/api-key.ts'
import type { AdminRole } from '../../model/admin/principal.ts'
import { insertKey } from '../../store/directory/keys.ts'
import { createTenant } from '../../store/directory/tenants.ts'
import { testApi } from '../../test/api/api.ts'
import { operationsOf } from '../../test/api/openapi.ts'
import { TestDeliveries } from '../../test/api/deliveries.ts'
import { TestRows } from '../../test/api/rows.ts'
import { testDatabase } from '../../test/database.ts'

/** What an operation is asked; `status`: the answer to who may, 200 unless told. */
interface Sample {
  readonly path: string
  readonly json?: object
  readonly status?: number
  /** What a tenant is answered whose it is not: 403 unless told, the same as for its own where there is no owner. */
  readonly foreign?: number
}

const OWNERS = ['acme', 'globex'] as const
type Owner = (typeof OWNERS)[number]

const database = await testDatabase(t)
const { sql } = database
const api = await testApi(t, database)
for (const slug of OWNERS) await createTenant(sql, slug, {})
const rows = await TestRows.open(sql)
await rows.store(OWNERS.map((tenant) => ({ tenant, request_id: `of-${tenant}`, package: 'left-pad' })))

const deliveries = await TestDeliveries.open(sql)

let made = 0
const fresh = (): string => `made-${++made}`

/** A tenant of its own for what changes one for good. */
const newTenant = async (): Promise<string> => {
  const slug = fresh()
  await createTenant(sql, slug, {})
  return slug
}

const newKey = async (tenant: Owner): Promise<string> => {
  const { id, digest } = mintKey()
  const rest = { name: null, scopes: ['*:*'], allowNetworks: [], rateLimit: null, expiresAt: null }
  await insertKey(sql, { id, digest, tenant, ...rest })
  return id
}

const newRow = async (): Promise<number> => {
  const [row] = await sql<{ id: number }[]>`
    INSERT INTO quarantine (instance, seq, tenant, code, row)
    VALUES (gen_random_uuid(), ${++made}, 'acme', '22P02', 'no row') RETURNING id`
  return row?.id ?? 0
}

/** One that waits, or is dead. */
const newDelivery = async (owner: Owner, state: 'waiting' | 'dead'): Promise<string> => {
  const route = fresh()
  const [id = ''] = await deliveries.keep(1, { route, tenant: owner })
  if (state === 'dead') await deliveries.end(route, 'dead')
  return id
}

const newRule = async (): Promise<string> => {
  const [row] = await sql<{ id: string }[]>`
    INSERT INTO rules (id, package, type, look_up, action, reason, priority)
    VALUES ('r' || substr(md5(random()::text), 1, 16), 'pkg:npm/a', 'npm', 'a', 'deny', 'x', 100) RETURNING id`
  return row?.id ?? ''
}

const newSession = async (): Promise<string> => {
  const [row] = await sql<{ id: string }[]>`
    INSERT INTO admin_sessions (digest, expires_at) VALUES (${digestKey(fresh())}, now() + interval '1 hour') RETURNING id`
  return row?.id ?? ''
}

const key = async (owner: Owner, rest = ''): Promise<Sample> => ({
  path: `/keys/${await newKey(owner)}${rest}`,
  foreign: 404,
})
const list = (path: string) => (owner: Owner) => ({
  path: `${path}${path.includes('?') ? '&' : '?'}tenant=${owner}`,
})
const plain =
  (path: string, rest: Omit<Sample, 'path'> = {}) =>
  () => ({ path, foreign: rest.status ?? 200, ...rest })

/** One of each operation that has a role, about something of the tenant's. */
const SAMPLES: Readonly<Record<string, (owner: Owner) => Sample | Promise<Sample>>> = {
  // Nothing runs here.
  getOverview: plain('/overview', { status: 500 }),
  getMeta: plain('/meta'),
  getClock: plain('/clock'),
  listTenants: plain('/tenants'),
  getTenant: (owner) => ({ path: `/tenants/${owner}` }),
  listTenantReceipts: (owner) => ({ path: `/tenants/${owner}/receipts` }),
  putTenant: (owner) => ({ path: `/tenants/${owner}`, json: {} }),
  changeTenant: (owner) => ({ path: `/tenants/${owner}`, json: {} }),
  suspendTenant: async () => ({ path: `/tenants/${await newTenant()}/suspend` }),
  resumeTenant: (owner) => ({ path: `/tenants/${owner}/resume` }),
  deleteTenant: async () => ({ path: `/tenants/${await newTenant()}` }),
  listKeys: list('/keys'),
  mintKey: (tenant) => ({ path: '/keys', json: { tenant, scopes: ['*:*'] }, status: 201 }),
  getKey: (owner) => key(owner),
  listReceipts: (owner) => key(owner, '/receipts'),
  rotateKey: async (owner) => ({ ...(await key(owner, '/rotate')), json: {}, status: 201 }),
  changeKey: async (owner) => ({ ...(await key(owner)), json: { name: 'x' } }),
  revokeKey: (owner) => key(owner, '/revoke'),
  listTokens: plain('/tokens'),
  createToken: plain('/tokens', { json: { name: 'x', role: 'viewer' }, status: 201 }),
  revokeToken: async () => ({ path: `/tokens/${(await api.mint('viewer')).id}` }),
  listRules: plain('/rules'),
  testRules: plain('/rules/test?package=pkg:npm/left-pad@1.3.0'),
  createRule: plain('/rules', { json: { package: 'pkg:npm/left-pad@1.3.0', reason: 'x' }, status: 201 }),
  getRule: async () => ({ path: `/rules/${await newRule()}` }),
  disableRule: async () => ({ path: `/rules/${await newRule()}/disable` }),
  enableRule: async () => ({ path: `/rules/${await newRule()}/enable` }),
  removeRule: async () => ({ path: `/rules/${await newRule()}` }),
  listSessions: plain('/sessions'),
  endSession: async () => ({ path: `/sessions/${await newSession()}` }),
  listSigningKeys: plain('/signing-keys'),
  rotateSigningKeys: plain('/signing-keys/rotate', { json: {} }),
  listNames: plain('/names'),
  findNames: plain('/names/nobody'),
  who: list('/who?package=left-pad'),
  usage: list('/usage'),
  audit: list('/audit'),
  readCompleteness: list('/completeness'),
  readSeries: list('/figures/series'),
  groupUsage: list('/figures/groups?by=route'),
  topPackages: plain('/figures/packages'),
  listEntries: list('/entries'),
  countEntries: list('/entries/facets'),
  countEntriesByTime: list('/entries/histogram'),
  exportEntries: list('/entries/export'),
  // An answer that would not end: it is refused once the role is known to suffice.
  streamEntries: plain('/entries/stream?color=red', { status: 400 }),
  getEntries: (owner) => ({ path: `/entries/of-${owner}`, foreign: 404 }),
  listQuarantine: plain('/quarantine'),
  listSetAside: plain('/quarantine/set-aside'),
  getQuarantined: async () => ({ path: `/quarantine/${await newRow()}` }),
  retryQuarantined: async () => ({ path: `/quarantine/${await newRow()}/retry` }),
  dropQuarantined: async () => ({ path: `/quarantine/${await newRow()}` }),
  getRetention: plain('/retention'),
  setRetention: plain('/retention', { json: { days: 30 } }),
  listChanges: list('/admin-log'),
  listEvents: plain('/events'),
  listEventReceivers: plain('/events/receivers'),
  listDeliveries: list('/deliveries'),
  accountDeliveries: list('/deliveries/account'),
  getDelivery: async (owner) => ({
    path: `/deliveries/${await newDelivery(owner, 'waiting')}`,
    foreign: 404,
  }),
  redeliver: async (owner) => ({ path: `/deliveries/${await newDelivery(owner, 'dead')}/redeliver` }),
  dropDelivery: async (owner) => ({ path: `/deliveries/${await newDelivery(owner, 'waiting')}` }),
  redeliverSearch: (tenant) => ({ path: '/deliveries/redeliver', json: { tenant } }),
  dropSearch: (tenant) => ({ path: '/deliveries/drop', json: { tenant, state: 'dead' } }),
  listRoutes: plain('/routes'),
  getConfiguration: plain('/configuration'),
  listUpstreams: plain('/upstreams', { status: 500 }),
  listGateways: plain('/gateways'),
}

const RANKS: readonly AdminRole[] = ['viewer', 'operator', 'admin']

/** The session of a browser that signed in with a token of the role. */
async function sessionOf(role: AdminRole): Promise<Record<string, string>> {
  const token = await api.tokenFor(role, role === 'tenant' ? 'acme' : undefined)
  const { headers } = await api.ask('POST', '/session', { json: { token } })
  return { cookie: headers['set-cookie']?.[0]?.split(';')[0] ?? '', 'sec-fetch-site': 'same-origin' }
}

t.test(
  'every operation answers each role, about what is its own and what is not, as the document says',
  async (t) => {
    const operations = operationsOf(api.document).filter(({ role }) => role !== null)
    t.same(
      operations.map(({ operationId }) => operationId).toSorted(),
      Object.keys(SAMPLES).toSorted(),
      'each has a sample',
    )
    const roles = ['viewer', 'operator', 'admin', 'tenant'] as const
    const sessions = new Map<AdminRole, Record<string, string>>()
    for (const role of roles) sessions.set(role, await sessionOf(role))
    let cells = 0
    for (const { operationId, method, role, isForTenants } of operations) {
      const { path: of } = (await SAMPLES[operationId]?.('acme')) ?? { path: '' }
      t.equal((await api.ask(method, of)).json()['code'], 'token_required', `${operationId}: nobody`)
      for (const mine of roles)
        for (const owner of OWNERS) {
          const {
            path,
            json,
            status = 200,
            foreign = 403,
          } = (await SAMPLES[operationId]?.(owner)) ?? { path: '' }
          const headers = sessions.get(mine) ?? {}
          const reply = await api.ask(method, path, { headers, ...(json === undefined ? {} : { json }) })
          const may =
            mine === 'tenant' ? isForTenants : RANKS.indexOf(mine) >= RANKS.indexOf(role as AdminRole)
          const expected = !may ? 403 : mine === 'tenant' && owner !== 'acme' ? foreign : status
          t.equal(reply.status, expected, `${operationId}: ${mine}, of ${owner}`)
          if (reply.status === 403) t.equal(reply.json()['code'], may ? 'other_tenant' : 'role_required')
          cells++
        }
    }
    t.equal(cells, operations.length * roles.length * OWNERS.length)
  },
)
