import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { projectFolder } from './version.ts'

/** What a room may import: itself, and these. A row for a folder holds for the folders in it that have no row of their own. */
const ROOMS: Record<string, readonly string[]> = {
  // Nouns, and what knows nothing of this project.
  lib: [],
  model: ['lib'],
  // The data plane.
  http: ['lib'],
  upstream: ['upstream/addresses', 'upstream/health', 'http', 'model', 'lib'],
  // Breakers and who of several serves: also for what is delivered without a client.
  'upstream/health': ['model', 'lib'],
  limits: ['model', 'lib'],
  // A kind may rewrite what comes of its upstream; what asks its routes' upstreams is its last step.
  // Who signed what is sent to a receiver behind the gateway.
  integrations: ['model', 'lib'],
  artifacts: ['upstream', 'http', 'model', 'lib'],
  'proxy/routing': ['artifacts', 'model', 'lib'],
  // What addresses of the upstream's are at the gateway is one thing for fields and for documents.
  'upstream/addresses': ['model', 'lib'],
  'proxy/headers': ['proxy/routing', 'upstream/addresses', 'http', 'model', 'lib'],
  'proxy/exchange':
    'proxy/headers proxy/routing artifacts integrations upstream/addresses http model lib'.split(' '),
  'proxy/decide':
    'proxy/exchange proxy/headers proxy/routing artifacts integrations limits http model lib'.split(' '),
  'proxy/answers':
    'proxy/decide proxy/exchange proxy/headers proxy/routing artifacts limits http model lib'.split(' '),
  proxy:
    'proxy/answers proxy/decide proxy/exchange proxy/headers proxy/routing artifacts integrations upstream limits http model lib'.split(
      ' ',
    ),
  listener: ['proxy', 'http', 'model', 'lib'],
  // Where both meet.
  channel: ['model', 'lib'],
  // The background.
  spool: ['model', 'lib'],
  // What routes accept: kept, and delivered.
  deliveries: ['integrations', 'spool', 'upstream', 'upstream/health', 'http', 'model', 'lib'],
  // Which calls with a key are under way, and were answered.
  idempotency: ['model', 'lib'],
  writer: ['writer/database', 'writer/batch', 'spool', 'channel', 'model', 'lib'],
  'writer/database': ['writer/batch', 'channel', 'model', 'lib'],
  'writer/batch': ['channel', 'model', 'lib'],
  // The control plane.
  directory: ['model', 'lib'],
  store: ['directory', 'deliveries', 'model', 'lib'],
  logger: ['model', 'lib'],
  metrics: ['model', 'lib'],
  // Spans of what the entries tell, for a collector.
  traces: ['model', 'lib'],
  config: ['model', 'lib'],
  admin: ['artifacts', 'store', 'logger', 'model', 'lib', 'version'],
  // Runs in browsers and knows the gateway by its API alone.
  console: [],
  embedded: ['model', 'lib'],
  // What puts the planes together, and what a user types.
  'serve/data-plane':
    'listener proxy artifacts upstream limits channel writer spool deliveries idempotency directory store traces admin config logger model lib version'.split(
      ' ',
    ),
  'serve/control-plane': 'store admin embedded config logger model lib version'.split(' '),
  serve:
    'serve/data-plane serve/control-plane listener proxy upstream limits directory store traces admin embedded config logger metrics model lib version'.split(
      ' ',
    ),
  'serve/cluster': 'serve limits listener store admin metrics config logger model lib version'.split(' '),
  // Which types of packages there are.
  cli: ['serve.ts', 'serve', 'artifacts', 'store', 'embedded', 'config', 'model', 'lib', 'version'],
}

/** The files that import each driver. */
const DRIVERS: Record<string, readonly string[]> = {
  postgres: ['store/sql.ts'],
  pg: ['writer/database/copy-run.ts', 'writer/database/copy.ts'],
  'pg-copy-streams': ['writer/database/copy-run.ts'],
  'http-proxy': ['proxy/upgrade.ts'],
  pino: ['logger/logger.ts'],
  'prom-client': ['metrics/exposition.ts', 'metrics/metrics.ts'],
  semver: ['model/artifact/versions/semver-order.ts', 'model/artifact/versions/version-range.ts'],
}

/** The product's files with timers of Node's own; all others wait by `lib/time`. Each with its reason. */
const TIMERS: Record<string, 'clock' | 'browser' | 'request' | 'attempt'> = {
  'lib/time/clock.ts': 'clock',
  'console/state/clock.ts': 'browser',
  'listener/listen.ts': 'request',
  'listener/listener.ts': 'request',
  'upstream/connection.ts': 'request',
  'upstream/origin-pool.ts': 'request',
  'upstream/tunnel-agent.ts': 'request',
  'writer/database/copy.ts': 'attempt',
}

/** In a folder, its tests included. */
const MAX_FILES = 25

const source = join(projectFolder(), 'src')
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) =>
  /\.tsx?$/.test(file),
)
const product = files.filter((file) => !/\.(test|bench)\.tsx?$/.test(file) && !isIn('test', file))

function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), 'utf8')
  return [...text.matchAll(/(?:from|import|import\()\s*'([^']+)'/g)].map(([, name = '']) => name)
}

function filesImportedBy(file: string): string[] {
  return importsOf(file)
    .filter((name) => name.startsWith('.'))
    .map((name) => normalize(join(dirname(file), name)))
}

function isIn(place: string, file: string): boolean {
  return file === place || file === `${place}.ts` || file.startsWith(`${place}/`)
}

/** The row that holds for a file: of the longest folder; null for files of the root. */
function roomOf(file: string): string | null {
  const rooms = Object.keys(ROOMS).filter((room) => file.startsWith(`${room}/`))
  return rooms.toSorted((a, b) => b.length - a.length)[0] ?? null
}

t.test('imports run one way', (t) => {
  const wrong: string[] = []
  for (const file of product) {
    const room = roomOf(file)
    if (room === null) {
      t.notMatch(file, /\//, `${file} is in a room of the table`)
      continue
    }
    for (const target of filesImportedBy(file)) {
      const isOwn = roomOf(target) === room
      const isAllowed = ROOMS[room]?.some((place) => isIn(place, target)) ?? false
      if (!isOwn && !isAllowed) wrong.push(`${file} → ${target}`)
    }
  }
  t.same(wrong, [])
  t.end()
})

t.test('drivers are imported where the table says', (t) => {
  for (const [driver, owners] of Object.entries(DRIVERS)) {
    t.same(product.filter((file) => importsOf(file).includes(driver)).toSorted(), owners, driver)
  }
  t.end()
})

t.test("timers are the clock's, and of the files in the table", (t) => {
  const raw = /(?<![.#\w])(?:setTimeout|setInterval)\(|'(?:node:)?timers(?:\/promises)?'/
  const found = product.filter((file) => raw.test(readFileSync(join(source, file), 'utf8')))
  t.same(found.toSorted(), Object.keys(TIMERS).toSorted())
  t.end()
})

t.test('the product does not import what its tests do', (t) => {
  const wrong = product.flatMap((file) =>
    filesImportedBy(file).filter((target) => isIn('test', target) || /\.(test|bench)\.ts$/.test(target)),
  )
  t.same(wrong, [])
  t.end()
})

t.test(`no folder has more than ${MAX_FILES} files`, (t) => {
  const counts = new Map<string, number>()
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
  t.same(
    [...counts].filter(([, count]) => count > MAX_FILES),
    [],
  )
  t.end()
})
