import type { Writable } from 'node:stream'
import type { Io } from './cli/io.ts'
import { isReaderGone } from './cli/output.ts'
import { runCli } from './cli/program.ts'

/** A stream without a listener for errors would crash the process when its reader goes away; writers see the error too. */
function survive(stream: Writable): void {
  stream.on('error', (error) => {
    if (!isReaderGone(error)) process.exitCode = 1
  })
}

const io: Io = {
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  isTty: {
    stdin: process.stdin.isTTY,
    stdout: process.stdout.isTTY,
    stderr: process.stderr.isTTY,
  },
  columns: process.stdout.columns ?? 80,
  now: () => Date.now(),
  onSignal: (signal, listener) => {
    process.on(signal, listener)
    return () => void process.off(signal, listener)
  },
}

survive(process.stdout)
survive(process.stderr)
// The gateway is loaded only by the commands that run it: the others start in half the time.
process.exitCode = await runCli(io, async (input) => {
  const code = await (await import('./serve.ts')).serve(input)
  // What a stop that was cut short has left open would keep the process.
  process.exit(code)
})
