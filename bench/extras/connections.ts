import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Candidate } from '../harness/candidate.ts'
import type { Contestant, Setup } from '../harness/setup.ts'
import { closedJob, requestHead } from '../harness/load.ts'
import { residentBytesOf } from '../harness/process.ts'
import type { Figure } from '../harness/result.ts'
import { wait } from '../harness/wait.ts'
import type { Extra, ExtraContext } from './extra.ts'

const IDLE = 10_000
const SLOW = 1000
const STALLED = 200
/** Candidates whose memory is worth comparing. HAProxy's configuration here takes fewer connections. */
const COMPARED = new Set(['nginx', 'go', 'caddy', 'http-proxy', 'waybill'])
/** Connections opened at once: less than a listener's backlog. */
const AT_ONCE = 200
/** Until the kernel's and the candidate's buffers have filled up and the garbage of opening has been collected, mostly. */
const SETTLE_MS = 2500

/** Memory per connection: the growth of a fresh candidate's resident memory, divided. */
export const connections: Extra = {
  name: 'connections',
  what: '10,000 idle keep-alive connections, 1,000 slow answers, 200 clients that stop reading a download: memory for each',
  run: async (context) => {
    const figures: Figure[] = []
    for (const { candidate } of context.contestants) {
      if (COMPARED.has(candidate.name)) figures.push(...(await memoryOf(context, candidate)))
    }
    return figures
  },
}

async function memoryOf({ setup, tell }: ExtraContext, candidate: Candidate): Promise<Figure[]> {
  const kinds = [
    { name: 'idle connection', path: '/1k', count: IDLE, isAnswered: true, isRead: true },
    { name: 'slow answer', path: '/slow', count: SLOW, isAnswered: false, isRead: true },
    { name: 'stalled download', path: '/download', count: STALLED, isAnswered: false, isRead: false },
  ]
  const figures: Figure[] = []
  for (const kind of kinds) {
    // A fresh process for each: memory that was used once is seldom given back.
    const contestant = await setup.enter(candidate)
    await fewRequests(setup, contestant)
    const { running } = contestant
    const { port, pid, keys } = running
    const before = residentBytesOf(pid ?? 0)
    const head = requestHead({ path: kind.path, key: keys[0] })
    const sockets = await openMany({ port, head, ...kind })
    await wait(SETTLE_MS)
    const each = (residentBytesOf(pid ?? 0) - before) / kind.count / 1024
    for (const socket of sockets) socket.destroy()
    await running.stop()
    tell(`${candidate.name}: ${each.toFixed(1)} KiB for each ${kind.name} (${kind.count} of them)`)
    figures.push({
      scenario: 'connections',
      candidate: candidate.name,
      name: kind.name,
      unit: 'KiB',
      values: [each],
    })
  }
  return figures
}

/**
 * Its code is loaded then. No more: the memory that a longer load leaves behind as garbage would take in the connections. What is
 * measured is therefore rather too much than too little.
 */
async function fewRequests({ load }: Setup, { running }: Contestant): Promise<void> {
  const target = { port: running.port, key: running.keys[0] }
  await load.run(closedJob(target, { seconds: 10, maxRequests: 400, connections: 8 }))
}

async function openMany(options: {
  readonly port: number
  readonly head: string
  readonly count: number
  readonly isAnswered: boolean
  readonly isRead: boolean
}): Promise<Socket[]> {
  const { port, head, count, isAnswered, isRead } = options
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, () =>
      connect(port, '127.0.0.1'),
    )
    await Promise.all(
      some.map(async (socket) => {
        socket.on('error', () => {})
        await once(socket, 'connect')
        socket.write(head)
        if (!isRead) socket.pause()
        else if (isAnswered) await once(socket, 'data')
        else socket.resume()
      }),
    )
    sockets.push(...some)
  }
  return sockets
}
