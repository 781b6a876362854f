import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const WORKER_FILE = fileURLToPath(new URL('../../worker.js', import.meta.url))

/**
 * Starts a worker's process. It loads its program, which takes as long as all else of a start, and waits to be told what to do:
 * the first ones are spawned before anything else is done. What it says is kept until somebody listens. It ends when we do.
 */
export function spawnWorker(): ChildProcess {
  // Its log goes where ours goes; there is nothing for it to read or to print.
  const child = fork(WORKER_FILE, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  // One that could not be spawned has no pid; any other error, such as a message to one that is going, ends in its end.
  child.on('error', () => {})
  return child
}
