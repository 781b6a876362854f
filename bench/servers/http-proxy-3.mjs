import { createServer } from 'node:http'
import { createProxyServer } from 'http-proxy-3'
import { argumentsOfServer, keepAliveAgent } from './arguments.mjs'

// http-proxy-3 as its README shows it, forwarding only.

const { port, upstream } = argumentsOfServer
const proxy = createProxyServer({ target: upstream, agent: keepAliveAgent() })
proxy.on('error', (_error, _req, res) => res.destroy())
createServer((req, res) => proxy.web(req, res)).listen(port, '127.0.0.1')
