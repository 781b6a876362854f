import { createServer } from 'node:http'
import { createProxyServer } from 'httpxy'
import { argumentsOfServer } from './arguments.mjs'

// httpxy as its README shows it; it keeps upstream connections by itself.

const { port, upstream } = argumentsOfServer
const proxy = createProxyServer({ target: upstream })
createServer((req, res) => {
  proxy.web(req, res).catch(() => res.destroy())
}).listen(port, '127.0.0.1')
