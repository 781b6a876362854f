import { hash } from 'node:crypto'
import { createContext, runInContext } from 'node:vm'
import t from 'tap'
import { restingStats } from '../metrics/test-sources.ts'
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

/** Runs the page's script against replies; `settle` lets it go on until it waits for its next second, `tick` is that second. */
function runPage(answer: (path: string, authorization: string | undefined) => Reply) {
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
    fetch: async (path: string, init: { headers: { authorization?: string } }) => {
      const { status, body } = answer(path, init.headers.authorization)
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
  return { node, settle, tick, storage }
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

void t.test('the page permits its own script and style only, and names nothing outside', async (t) => {
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

void t.test('the page shows live numbers, rates between two readings, and entries as text', async (t) => {
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
  t.match(node('numbers').textContent, 'Entries dropped|1,234')
})

void t.test('the page says what is wrong and goes on asking', async (t) => {
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

void t.test('the page asks for the token once and keeps it for the session', async (t) => {
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
