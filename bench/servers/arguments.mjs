import { Agent } from 'node:http'

const [, , port, upstream] = process.argv

/** What each server here is told: where to listen and what to forward to. */
export const argumentsOfServer = { port: Number(port), upstream }

/** Without an agent that keeps connections these libraries open one for each request. */
export function keepAliveAgent() {
  return new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 2048 })
}
