import { hash } from 'node:crypto'
import { createContext, runInContext } from 'node:vm'
import t from 'tap'
import { restingStats } from '../test/metric-sources.ts'
import { DASHBOARD_SCRIPT } from './dashboard-script.ts'
import { renderDashboard } from './dashboard.ts'
import { readOverview } from './overview.ts'

/** As much of a document as the script uses; writing anything but textContent would not show up in it. */
class Node {
  #text = ''
  children: Node[] = []
  className = ''
  hidden = false
  value = ''
  readonly listeners = new Map<string, (event: object) => void>()

  get textContent(): string {
    return this.#text + this.children.map((child) => child.textContent).join('|')
  }

  set textContent(text: string) {
    this.#text = text
    this.children = []
  }

  append(...nodes: Node[]): void {
    this.children.push(...nodes)
  }

  replaceChildren(...nodes: Node[]): void {
    this.#text = ''
    this.children = nodes
  }

  addEventListener(name: string, listener: (event: object) => void): void {
    this.listeners.set(name, listener)
  }

  focus(): void {}
}

type Reply = { status: number; body: unknown }

/**
 * Runs the page's script against replies; `settle` lets it go on until it waits for its next turn, `tick` is that turn. A reply
 * that is an Error is a gateway that is out of reach; one that is null never comes.
 */
function runPage(answer: (path: string, authorization: string | undefined) => Reply | Error | null) {
  const time = { nowTick: 0 }
  const ids = new Map(
    [...renderDashboard().body.matchAll(/ id="([\w-]+)"/g)].map(([, id]) => [id, new Node()]),
  )
  for (const id of ['main', 'token-form']) node(id).hidden = true
  const storage = new Map<string, string>()
  let next: (() => void) | null = null
  function node(id: string): Node {
    const found = ids.get(id)
    if (found === undefined) throw new Error(`the page has no #${id}`)
    return found
  }
  const documentNode = Object.assign(new Node(), { getElementById: node, createElement: () => new Node() })
  const context = createContext({
    document: documentNode,
    sessionStorage: {
      getItem: (key: string) => storage.get(key) ?? null,
      setItem: (key: string, value: string) => storage.set(key, value),
      removeItem: (key: string) => storage.delete(key),
    },
    AbortSignal,
    performance: { now: () => time.nowTick },
    fetch: async (path: string, init: { headers: { authorization?: string } }) => {
      const reply = answer(path, init.headers.authorization)
      if (reply instanceof Error) throw reply
      if (reply === null) return new Promise(() => {})
      const { status, body } = reply
      return { status, ok: status < 300, json: async () => body }
    },
    setTimeout: (callback: () => void) => void (next = callback),
    clearTimeout: () => {},
  })
  runInContext(DASHBOARD_SCRIPT, context)
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 50; turn++) await Promise.resolve()
  }
  const tick = async (): Promise<void> => {
    next?.()
    await settle()
  }
  return {
    node,
    settle,
    tick,
    storage,
    time,
    see: () => documentNode.listeners.get('visibilitychange')?.({}),
  }
}

const ENTRY = {
  started_at: '2026-11-21T08:00:00.000Z',
  tenant: 'acme',
  route: 'npm',
  method: 'GET',
  path: '/npm/<img src=x onerror=alert(1)>',
  status: 401,
  outcome: 'unauthenticated',
  reason: 'unknown_key',
  duration_us: 1500,
  bytes_sent: 2048,
}

t.test('the page permits its own script and style only, and names nothing outside', async (t) => {
  const { body, headers } = renderDashboard()
  const policy = headers['content-security-policy'] ?? ''
  for (const tag of ['script', 'style']) {
    const text = new RegExp(`<${tag}>(.*?)</${tag}>`, 's').exec(body)?.[1] ?? ''
    t.match(policy, `${tag}-src 'sha256-${hash('sha256', text, 'base64')}'`)
  }
  t.notMatch(policy, /unsafe|https?:|\*/)
  t.notMatch(body, /https?:\/\/|innerHTML|insertAdjacentHTML|document\.write|eval\(| style=| on\w+="/)
  t.equal(body.match(/<script/g)?.length, 1)
})

t.test('the page shows live numbers, rates between two readings, and entries as text', async (t) => {
  const { stats, sources, countRequest } = restingStats()
  let uptimeMs = 1000
  countRequest('forwarded', 2)
  const { node, settle, tick } = runPage((path) => {
    if (path.startsWith('/api/entries')) return { status: 200, body: { entries: [ENTRY], next: null } }
    const overview = readOverview(sources, { version: '1.2.3', instance: 'i', uptimeMs })
    return { status: 200, body: { ready: true, reasons: [], ...overview } }
  })
  await settle()
  t.equal(node('state').textContent, 'Ready')
  t.match(node('numbers').textContent, 'Requests per second|–')
  t.match(node('numbers').textContent, 'Directory age|not loaded')
  t.match(node('outcomes').textContent, 'forwarded|–|1')
  t.match(
    node('entries').textContent,
    '|/npm/<img src=x onerror=alert(1)>|401|unauthenticated (unknown_key)|2 ms|2.0 KiB',
  )

  uptimeMs += 2000
  for (let i = 0; i < 10; i++) countRequest('forwarded', 2)
  stats.directory.ageMs = 120
  stats.writer.mode = 'copying'
  stats.totals.dropped.channel_full = 1234
  await tick()
  t.match(node('numbers').textContent, 'Requests per second|5')
  t.match(node('numbers').textContent, 'Directory age|120 ms')
  t.match(node('numbers').textContent, 'Log writer|copying')
  t.match(node('accounts').textContent, 'Dropped: channel full|1,234')
})

/** What the page shows of a state of the database and the log. */
async function pageOf(change: (stats: ReturnType<typeof restingStats>['stats']) => void, readiness: object) {
  const { stats, sources } = restingStats()
  change(stats)
  const { node, settle } = runPage((path) => {
    if (path.startsWith('/api/entries')) return { status: 200, body: { entries: [], next: null } }
    const overview = readOverview(sources, { version: '1.2.3', instance: 'i', uptimeMs: 1 })
    return { status: 200, body: { ...readiness, ...overview } }
  })
  await settle()
  return node
}

t.test('G4: the page shows all terms of the equation, and says when they do not add up', async (t) => {
  const counts = { accepted: 10_000, stored: 5000, spilled: 4033, quarantined: 7, buffered: 950 }
  const dropped = { channel_full: 8, rejected: 2, shutdown: 0 }
  const readiness = { ready: true, reasons: [], warnings: [] }
  const node = await pageOf(({ totals }) => Object.assign(totals, counts, { dropped }), readiness)
  const accounts = node('accounts').textContent
  for (const term of [
    'Accepted|10,000',
    'Stored|5,000',
    'On disk (spilled)|4,033',
    'Quarantined|7',
    'In memory (buffered)|950',
    'Dropped: channel full|8',
    'Dropped: rejected|2',
  ])
    t.match(accounts, term)
  t.equal(node('accounts-hint').className, '')
  const wrong = await pageOf(({ totals }) => Object.assign(totals, counts), readiness)
  t.match(wrong('accounts-hint').textContent, 'NOT SO, the difference is 10')
  t.equal(wrong('accounts-hint').className, 'bad')
})

t.test('G4: nothing is green while the database is away, and the page says what is wrong', async (t) => {
  const detail = 'the database does not answer, for 14 s by now (ECONNREFUSED)'
  const away = await pageOf(
    ({ database, writer }) => {
      Object.assign(database, { state: 'away', sinceMs: 14_000, silentMs: 14_000, error: 'ECONNREFUSED' })
      writer.isAway = true
    },
    { ready: true, reasons: [], warnings: [{ code: 'database_away', detail }] },
  )
  t.equal(away('state').textContent, 'Ready, but something is wrong')
  t.equal(away('state').className, 'bad')
  t.equal(away('warnings').textContent, detail)
  t.match(away('numbers').textContent, 'Database|away for 14.0 s (ECONNREFUSED)')
  const refusing = await pageOf(
    ({ database, writer }) => {
      database.state = 'there'
      writer.isAway = true
    },
    { ready: true, reasons: [], warnings: [] },
  )
  t.match(refusing('numbers').textContent, 'Database|there, takes no entries')
  const fine = await pageOf(({ database }) => void (database.state = 'there'), { ready: true, reasons: [] })
  t.match(fine('numbers').textContent, 'Database|there|')
  t.equal(fine('state').className, 'good')
})

t.test('G4: figures of a gateway that cannot be reached are not shown as of now', async (t) => {
  const { sources } = restingStats()
  const overview = readOverview(sources, { version: '1.2.3', instance: 'i', uptimeMs: 1 })
  let reply: Reply | Error | null = { status: 200, body: { ready: true, reasons: [], ...overview } }
  const { node, settle, tick, time, see } = runPage((path) =>
    path.startsWith('/api/entries') ? { status: 200, body: { entries: [], next: null } } : reply,
  )
  await settle()
  t.equal(node('main').className, '')
  t.equal(node('age').textContent, '')
  const good = reply
  reply = new TypeError('Failed to fetch')
  time.nowTick = 700
  await tick()
  t.equal(node('state').textContent, 'No answer from the gateway: Failed to fetch')
  t.equal(node('main').className, 'stale')
  t.equal(node('age').textContent, 'The figures below are 700 ms old')
  time.nowTick = 9700
  await tick()
  t.equal(node('age').textContent, 'The figures below are 9.7 s old')
  reply = good
  await tick()
  t.equal(node('state').textContent, 'Ready')
  t.equal(node('main').className, '')
  t.equal(node('age').textContent, '')

  // As when somebody comes back to the page: before anything has been answered.
  reply = null
  time.nowTick += 60_000
  see()
  await settle()
  t.equal(node('main').className, 'stale')
  t.match(node('age').textContent, 'The figures below are 60.0 s old')
})

t.test('G4: entries that a frozen database does not give hold up no figures', async (t) => {
  const { stats, sources } = restingStats()
  let uptimeMs = 0
  const { node, settle, tick } = runPage((path) => {
    if (path.startsWith('/api/entries')) return null
    uptimeMs += 500
    const overview = readOverview(sources, { version: '1.2.3', instance: 'i', uptimeMs })
    return { status: 200, body: { ready: true, reasons: [], ...overview } }
  })
  await settle()
  stats.totals.accepted = stats.totals.spilled = 4033
  await tick()
  t.match(node('accounts').textContent, 'On disk (spilled)|4,033')
})

t.test('the page says what is wrong and goes on asking', async (t) => {
  const { sources } = restingStats()
  const overview = readOverview(sources, { version: '1.2.3', instance: 'i', uptimeMs: 1 })
  const reasons = [{ code: 'no_snapshot', detail: 'tenants and keys have not been loaded' }]
  let isUp = false
  const { node, settle, tick } = runPage((path) => {
    if (!isUp || path.startsWith('/api/entries'))
      return { status: 503, body: { title: 'The database is not available' } }
    return { status: 200, body: { ...overview, ready: false, reasons } }
  })
  await settle()
  t.match(node('state').textContent, 'The database is not available')
  isUp = true
  await tick()
  t.equal(node('state').textContent, 'Not ready: tenants and keys have not been loaded')
  t.match(node('entries-hint').textContent, 'The database is not available')
})

t.test('the page asks for the token once and keeps it for the session', async (t) => {
  const { sources } = restingStats()
  const overview = readOverview(sources, { version: '1.2.3', instance: 'i', uptimeMs: 1 })
  const { node, settle, storage } = runPage((path, authorization) => {
    if (authorization !== 'Bearer right')
      return { status: 401, body: { title: 'The admin token is required' } }
    if (path.startsWith('/api/entries')) return { status: 200, body: { entries: [], next: null } }
    return { status: 200, body: { ready: true, reasons: [], ...overview } }
  })
  const submit = async (token: string): Promise<void> => {
    node('token').value = token
    node('token-form').listeners.get('submit')?.({ preventDefault: () => {} })
    await settle()
  }
  await settle()
  t.equal(node('token-form').hidden, false)
  t.equal(node('main').hidden, true)
  await submit('wrong')
  t.equal(node('token-hint').textContent, 'This token was refused.')
  await submit(' right ')
  t.equal(node('token-form').hidden, true)
  t.equal(node('main').hidden, false)
  t.equal(node('state').textContent, 'Ready')
  t.equal(node('token').value, '')
  t.strictSame([...storage.values()], ['right'])
})
