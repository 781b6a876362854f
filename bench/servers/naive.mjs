import { createServer } from 'node:http'
import httpProxy from 'http-proxy'
import pg from 'pg'
import { argumentsOfServer, keepAliveAgent } from './arguments.mjs'

// What one writes in an afternoon: bare http-proxy and one INSERT for each request. It does not wait for the INSERT, which is
// the better one of the two naive forms: waiting would add the database's time to every request.

const { port, upstream } = argumentsOfServer
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 10 })
const proxy = httpProxy.createProxyServer({ target: upstream, agent: keepAliveAgent() })
proxy.on('error', (_error, _req, res) => res.destroy())

const INSERT = {
  name: 'insert_entry',
  text: `INSERT INTO naive_log (started_at, tenant, method, host, path, status, bytes_sent, duration_us, client_ip, user_agent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
}

function store(req, res, startedAt, startedMs) {
  const durationUs = Math.round((performance.now() - startedMs) * 1000)
  const values = [
    startedAt,
    'bench',
    req.method,
    req.headers.host,
    req.url,
    res.statusCode,
    Number(res.getHeader('content-length') ?? 0),
    durationUs,
    req.socket.remoteAddress ?? null,
    req.headers['user-agent'] ?? null,
  ]
  pool.query({ ...INSERT, values }).catch((error) => process.stderr.write(`${error.message}\n`))
}

createServer((req, res) => {
  const startedAt = new Date()
  const startedMs = performance.now()
  res.once('close', () => store(req, res, startedAt, startedMs))
  proxy.web(req, res)
}).listen(port, '127.0.0.1')
