import proxy from '@fastify/http-proxy'
import fastify from 'fastify'
import { argumentsOfServer } from './arguments.mjs'

// @fastify/http-proxy as its README shows it: undici towards the upstream, with its own pool.

const { port, upstream } = argumentsOfServer
const server = fastify({ logger: false, bodyLimit: 2 ** 40 })
await server.register(proxy, { upstream })
await server.listen({ port, host: '127.0.0.1' })
