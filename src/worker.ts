import { stderrLines } from './logger/line-sink.ts'
import { keepDebuggerShut } from './lib/host/no-debugger.ts'
import { runWorker } from './serve/cluster/worker.ts'

// The process that the primary forks for each worker. Beside main.ts the only file that touches process.*

/** Longest wait for the last lines of the log to be taken. */
const LAST_LINES_MS = 500

if (process.send === undefined) {
  process.stderr.write('error: a worker is started by "waybill serve", not by hand\n')
  process.exit(2)
}

keepDebuggerShut()

// The primary went away while this program was loaded.
if (!process.connected) process.exit(1)

const code = await runWorker({
  pid: process.pid,
  send: (message, done) => {
    if (process.connected) process.send?.(message, undefined, {}, done)
    else done()
  },
  onMessage: (listener) => void process.on('message', listener),
  onDisconnect: (listener) => void process.on('disconnect', listener),
  onSignal: (signal, listener) => void process.on(signal, listener),
  onCrash: (listener) => {
    process.once('uncaughtException', (error) => {
      listener(error)
      process.exit(1)
    })
  },
})
await stderrLines().drained(LAST_LINES_MS)
process.exit(code)
