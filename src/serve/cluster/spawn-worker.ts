import { fork, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { stderrLines } from '../../logger/line-sink.ts'

const WORKER_FILE = fileURLToPath(new URL('../../worker.js', import.meta.url))

/**
 * Threads that V8 collects and compiles with beside the main one; it takes four unless told. A worker has one core: more of them only
 * take turns with the requests. Measured on one core at 70 % load, PostgreSQL frozen ÷ healthy in three rounds each: p99 0.6 to 1.0
 * instead of 0.2 to 3.7; CPU per request 3 % less.
 */
const V8_THREADS = '--v8-pool-size=1'

/**
 * Starts a worker's process. It loads its program, which takes as long as all else of a start, and waits to be told what to do:
 * the first ones are spawned before anything else is done. What it says is kept until somebody listens. It ends when we do.
 */
export function spawnWorker(): ChildProcess {
  // Its log goes where ours goes; there is nothing for it to read or to print. Where both would share a mode, which libuv makes a
  // blocking one in each child it spawns and which each Node process sets back at its end, it goes through us.
  const lines = stderrLines()
  const stderr = lines.canBeShared ? 'inherit' : 'pipe'
  const execArgv = [V8_THREADS, ...process.execArgv]
  const child = fork(WORKER_FILE, [], { execArgv, stdio: ['ignore', 'ignore', stderr, 'ipc'] })
  // One that could not be spawned has no pid; any other error, such as a message to one that is going, ends in its end.
  child.on('error', () => {})
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on('line', (line) => lines.write(`${line}\n`))
  }
  return child
}
