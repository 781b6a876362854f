/**
 * Script of the dashboard: polls /api/overview twice a second, and beside it, as the database may not answer, /api/entries each
 * two; one request of each at a time, and none while the page is hidden. Figures that are not of now are marked as such.
 * All text goes through textContent. Written for browsers, hence plain JavaScript in a text.
 */
export const DASHBOARD_SCRIPT = String.raw`
'use strict'
const TOKEN = 'waybill-admin-token'
const find = (id) => document.getElementById(id)
let previous = null
let isPolling = false
let isListing = false
let timer = null
let round = 0
/** When the figures on the page were asked for; what is older than OLD_MS is not shown as of now. */
let shownAt = null
const POLL_MS = 500
const OLD_MS = 3000

async function load(path, timeoutMs) {
  const token = sessionStorage.getItem(TOKEN)
  const headers = token === null ? {} : { authorization: 'Bearer ' + token }
  const response = await fetch(path, { headers, cache: 'no-store', signal: AbortSignal.timeout(timeoutMs) })
  const body = await response.json().catch(() => ({}))
  if (response.ok) return body
  throw Object.assign(new Error(body.title || 'status ' + response.status), { status: response.status })
}

function make(tag, text, className) {
  const node = document.createElement(tag)
  node.textContent = text
  if (className) node.className = className
  return node
}

const count = (n) => n.toLocaleString('en')
const perSecond = (n) => (n === null ? '–' : n.toLocaleString('en', { maximumFractionDigits: n < 10 ? 1 : 0 }))
const duration = (ms) =>
  ms < 1 ? ms.toFixed(2) + ' ms' : ms < 1000 ? Math.round(ms) + ' ms' : ms < 120000 ? (ms / 1000).toFixed(1) + ' s' : Math.round(ms / 60000) + ' min'
function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit++ }
  return (unit === 0 ? n : n.toFixed(1)) + ' ' + units[unit]
}
const sum = (record) => Object.values(record).reduce((a, b) => a + b, 0)

function showState(text, className) {
  const state = find('state')
  // Written only when it changes: a screen reader announces each writing.
  if (state.textContent !== text) state.textContent = text
  state.className = className
}

function showRows(id, rows) {
  find(id).replaceChildren(...rows.map(([name, value, className]) => {
    const card = make('div', '')
    card.append(make('dt', name), make('dd', value, className))
    return card
  }))
}

/** The state of the database in words; null when there is nothing to say against it. */
function databaseTrouble(database) {
  const why = database.error === null ? '' : ' (' + database.error + ')'
  if (database.state === 'away') return 'away for ' + duration(database.sinceMs) + why
  if (!database.isStoring) return 'there, takes no entries'
  return null
}

/** Law of the log: accepted = stored + spilled + quarantined + dropped + buffered, at every moment. */
function showAccounts(log) {
  const reasons = Object.entries(log.dropped)
  const dropped = sum(log.dropped)
  const missing = log.accepted - (log.stored + log.spilled + log.quarantined + dropped + log.buffered)
  find('accounts-hint').textContent = 'accepted = stored + on disk + quarantined + dropped + in memory'
    + (missing === 0 ? '' : ': NOT SO, the difference is ' + count(missing) + '; please report it')
  find('accounts-hint').className = missing === 0 ? '' : 'bad'
  showRows('accounts', [
    ['Accepted', count(log.accepted)],
    ['Stored', count(log.stored)],
    ['On disk (spilled)', count(log.spilled), log.spilled > 0 ? 'bad' : ''],
    ['Quarantined', count(log.quarantined), log.quarantined > 0 ? 'bad' : ''],
    ['In memory (buffered)', count(log.buffered)],
    ...(dropped === 0 ? [['Dropped', '0']] : reasons.filter(([, n]) => n > 0).map(([reason, n]) => ['Dropped: ' + reason.replaceAll('_', ' '), count(n), 'bad'])),
    ...(log.pendingReplay > log.spilled ? [['On disk, of earlier processes too', count(log.pendingReplay), 'bad']] : []),
  ])
}

function showReadiness(now) {
  const warnings = now.warnings || []
  if (!now.ready) showState('Not ready: ' + now.reasons.map((r) => r.detail || r.code).join('; '), 'bad')
  else if (warnings.length > 0) showState('Ready, but something is wrong', 'bad')
  else showState('Ready', 'good')
  find('warnings').replaceChildren(...warnings.map((w) => make('li', w.detail || w.code)))
}

/** Says how old the figures are when they are not of now, as after a failure. */
function showAge(hasFailed) {
  const isOld = shownAt !== null && (hasFailed || performance.now() - shownAt > OLD_MS)
  find('main').className = isOld ? 'stale' : ''
  find('age').textContent = isOld ? 'The figures below are ' + duration(performance.now() - shownAt) + ' old' : ''
}

function showOverview(now) {
  const seconds = previous !== null && previous.instance === now.instance ? (now.uptimeMs - previous.uptimeMs) / 1000 : 0
  const rate = (read) => (seconds > 0 ? (read(now) - read(previous)) / seconds : null)
  const log = now.accessLog
  const trouble = databaseTrouble(now.database)
  showReadiness(now)
  find('about').textContent = 'version ' + now.version + ', up ' + duration(now.uptimeMs)
  const numbers = [
    ['Requests per second', perSecond(rate((o) => o.requests.total))],
    ['Requests since start', count(now.requests.total)],
    ['In flight', count(now.requests.inFlight)],
    ['Client connections', count(now.requests.connections + now.requests.upgradedConnections)],
    ['Sent per second', seconds > 0 ? bytes(Math.round(rate((o) => o.requests.bytesSent))) : '–'],
    ['Tenants', count(now.directory.tenants)],
    ['Keys', count(now.directory.keys)],
    ['Directory age', now.directory.ageMs === null ? 'not loaded' : duration(now.directory.ageMs), now.directory.ageMs === null ? 'bad' : ''],
    ['Database', trouble || (now.database.state === 'there' ? 'there' : 'not asked yet'), trouble === null ? '' : 'bad'],
    ['Log writer', log.writerMode.replaceAll('_', ' '), log.consecutiveFailures > 0 ? 'bad' : ''],
    ['Entries stored per second', perSecond(rate((o) => o.accessLog.stored))],
    ['Entries waiting', count(log.channelEntries) + ' of ' + count(log.capacityEntries)],
    ['Oldest entry not stored', log.oldestUnflushedAgeMs === 0 ? 'none' : duration(log.oldestUnflushedAgeMs)],
  ]
  showRows('numbers', numbers)
  showAccounts(log)
  const outcomes = Object.entries(now.requests.byOutcome).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1])
  find('outcomes').replaceChildren(...outcomes.map(([name, n]) => {
    const row = make('tr', '')
    row.append(make('td', name), make('td', perSecond(rate((o) => o.requests.byOutcome[name])), 'n'), make('td', count(n), 'n'))
    return row
  }))
  // Rates are of a second or more: over half of one, a single request would be two.
  if (seconds === 0 || seconds >= 1) previous = now
}

function showEntries(entries) {
  find('entries-hint').textContent = entries.length === 0 ? 'There is none yet.' : ''
  find('entries').replaceChildren(...entries.map((e) => {
    const row = make('tr', '')
    row.append(
      make('td', new Date(e.started_at).toLocaleTimeString()), make('td', e.tenant || '–'), make('td', e.route || '–'),
      make('td', e.method || '–'), make('td', e.path || '–', 'path'), make('td', String(e.status), 'n'),
      make('td', e.reason ? e.outcome + ' (' + e.reason + ')' : e.outcome), make('td', duration(e.duration_us / 1000), 'n'),
      make('td', bytes(e.bytes_sent), 'n'),
    )
    return row
  }))
}

function askToken() {
  find('token-hint').textContent = sessionStorage.getItem(TOKEN) === null ? '' : 'This token was refused.'
  sessionStorage.removeItem(TOKEN)
  find('main').hidden = true
  find('token-form').hidden = false
  showState('An admin token is needed', '')
  find('token').focus()
}

async function poll() {
  clearTimeout(timer)
  if (isPolling || document.hidden) return
  isPolling = true
  try {
    await refresh()
    timer = setTimeout(poll, POLL_MS)
  } catch (error) {
    if (error.status === 401) askToken()
    else {
      showFailure(error)
      timer = setTimeout(poll, POLL_MS)
    }
  } finally {
    isPolling = false
  }
}

/** Says that the figures on the page are old, and how old. */
function showFailure(error) {
  showState((error.status === undefined ? 'No answer from the gateway: ' : 'The gateway answers: ') + error.message, 'bad')
  showAge(true)
  previous = null
}

async function refresh() {
  showAge(false)
  const askedAt = performance.now()
  showOverview(await load('/api/overview', 2000))
  shownAt = askedAt
  showAge(false)
  find('main').hidden = false
  if (round++ % 4 === 0) void list()
}

async function list() {
  if (isListing) return
  isListing = true
  try {
    showEntries((await load('/api/entries?limit=20', 10000)).entries)
  } catch (error) {
    find('entries-hint').textContent = 'Not to be had now, those below are older: ' + error.message
  } finally {
    isListing = false
  }
}

find('token-form').addEventListener('submit', (event) => {
  event.preventDefault()
  sessionStorage.setItem(TOKEN, find('token').value.trim())
  find('token').value = ''
  find('token-form').hidden = true
  poll()
})
document.addEventListener('visibilitychange', () => {
  if (find('token-form').hidden) poll()
})
poll()
`
