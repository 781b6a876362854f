import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { loadConfig } from '../config/config.ts'
import { LimitExchange } from '../limits/limit-exchange.ts'
import { createLogger } from '../logger/logger.ts'
import { parseDatabaseUrl } from '../model/database-target.ts'
import type { FromWorker, ToWorker } from '../serve/cluster/messages.ts'
import { Workers } from '../serve/cluster/workers.ts'

/** For tests: a worker's process that does nothing but keep what it is told. */
export class TestChild extends EventEmitter {
  readonly told: ToWorker[] = []
  readonly pid: number
  /** What it does with what it is told. */
  onTold: (message: ToWorker) => void = () => {}
  connected = true
  exitCode: number | null = null
  signalCode: NodeJS.Signals | null = null

  constructor(pid: number) {
    super()
    this.pid = pid
  }

  send(message: ToWorker): boolean {
    this.told.push(message)
    this.onTold(message)
    return true
  }

  /** What the worker says. */
  say(message: FromWorker): void {
    this.emit('message', message)
  }

  /** Shows a sign of life. */
  beat(): void {
    this.say({ type: 'state', isReady: true, open: 0, taken: 0, isAccepting: false, ask: 0 })
  }

  kill(signal: NodeJS.Signals): boolean {
    this.signalCode = signal
    this.connected = false
    this.emit('exit', null, signal)
    this.emit('disconnect')
    return true
  }
}

/** Workers on such processes, which are not started. */
export function testWorkers(count: number): { workers: Workers; children: TestChild[] } {
  const children = Array.from({ length: count }, (_, i) => new TestChild(i + 1))
  const workers = new Workers({
    spawned: children as unknown as ChildProcess[],
    config: loadConfig({ file: null, env: {}, flags: {} }),
    target: parseDatabaseUrl('postgres://waybill@127.0.0.1/waybill'),
    via: 'waybill-test',
    logFormat: 'json',
    limits: new LimitExchange(count),
    logger: createLogger({ level: 'silent' }),
    onState: () => {},
    onListenFailed: () => {},
    onEnd: () => {},
  })
  return { workers, children }
}

/** The same, and they serve. */
export async function startTestWorkers(count: number): Promise<{ workers: Workers; children: TestChild[] }> {
  const { workers, children } = testWorkers(count)
  const started = workers.start()
  for (const child of children) {
    child.say({ type: 'online' })
    child.say({ type: 'started', instance: `instance-${child.pid}` })
    child.beat()
  }
  await started
  return { workers, children }
}
