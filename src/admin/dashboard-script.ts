/**
 * Script of the dashboard: polls /api/overview each second and /api/entries each two, one request at a time, and not while
 * the page is hidden. Whatever is shown goes through textContent. Written for browsers, hence plain JavaScript in a text.
 */
export const DASHBOARD_SCRIPT = String.raw`
'use strict'
const TOKEN = 'waybill-admin-token'
const find = (id) => document.getElementById(id)
let previous = null
let isPolling = false
let timer = null
let round = 0

async function load(path) {
  const token = sessionStorage.getItem(TOKEN)
  const headers = token === null ? {} : { authorization: 'Bearer ' + token }
  const response = await fetch(path, { headers, cache: 'no-store', signal: AbortSignal.timeout(10000) })
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

function showOverview(now) {
  const seconds = previous !== null && previous.instance === now.instance ? (now.uptimeMs - previous.uptimeMs) / 1000 : 0
  const rate = (read) => (seconds > 0 ? (read(now) - read(previous)) / seconds : null)
  const log = now.accessLog
  const dropped = sum(log.dropped)
  showState(now.ready ? 'Ready' : 'Not ready: ' + now.reasons.map((r) => r.detail || r.code).join('; '), now.ready ? 'good' : 'bad')
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
    ['Log writer', log.writerMode.replaceAll('_', ' '), log.consecutiveFailures > 0 ? 'bad' : ''],
    ['Entries stored', count(log.stored)],
    ['Entries stored per second', perSecond(rate((o) => o.accessLog.stored))],
    ['Entries waiting', count(log.channelEntries) + ' of ' + count(log.capacityEntries)],
    ['Oldest entry not stored', log.oldestUnflushedAgeMs === 0 ? 'none' : duration(log.oldestUnflushedAgeMs)],
    ['Entries dropped', count(dropped), dropped > 0 ? 'bad' : ''],
  ]
  find('numbers').replaceChildren(...numbers.map(([name, value, className]) => {
    const card = make('div', '')
    card.append(make('dt', name), make('dd', value, className))
    return card
  }))
  const outcomes = Object.entries(now.requests.byOutcome).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1])
  find('outcomes').replaceChildren(...outcomes.map(([name, n]) => {
    const row = make('tr', '')
    row.append(make('td', name), make('td', perSecond(rate((o) => o.requests.byOutcome[name])), 'n'), make('td', count(n), 'n'))
    return row
  }))
  previous = now
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
    timer = setTimeout(poll, 1000)
  } catch (error) {
    if (error.status === 401) askToken()
    else {
      showState('No answer from the gateway: ' + error.message, 'bad')
      timer = setTimeout(poll, 1000)
    }
  } finally {
    isPolling = false
  }
}

async function refresh() {
  showOverview(await load('/api/overview'))
  find('main').hidden = false
  if (round++ % 2 !== 0) return
  try {
    showEntries((await load('/api/entries?limit=20')).entries)
  } catch (error) {
    find('entries-hint').textContent = 'Not to be had now: ' + error.message
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
