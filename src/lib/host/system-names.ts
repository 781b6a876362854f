import dns from 'node:dns'
import { Socket } from 'node:net'
import { Names } from './names.ts'

/** Names of the whole process, because the threads that look them up are the whole process'. */
export const systemNames = new Names((name, done) => dns.lookup(name, { all: true }, done))

/** A socket for a driver that connects it by `connect(port, host)`: its host is resolved by `systemNames`. */
export function namedSocket(): Socket {
  const socket = new Socket()
  const connect = socket.connect.bind(socket)
  const byName = (port: number | string, host?: string): Socket =>
    typeof port === 'string' || host === undefined
      ? connect(String(port)) // a path
      : connect({ port, host, lookup: systemNames.lookup })
  socket.connect = byName as typeof socket.connect
  return socket
}
