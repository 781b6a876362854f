#!/usr/bin/env node
import type { Writable } from 'node:stream'
import type { Io } from './cli/output/io.ts'
import { isReaderGone } from './cli/output/output.ts'
import { reportFailure, runCli } from './cli/program.ts'
import { stderrLines } from './logger/line-sink.ts'
import { keepDebuggerShut } from './lib/host/no-debugger.ts'

/** Longest wait for the last lines of the log to be taken. */
const LAST_LINES_MS = 500

/** A stream without a listener for errors would crash the process when its reader goes away; writers see the error too. */
function survive(stream: Writable): void {
  stream.on('error', (error) => {
    if (!isReaderGone(error)) process.exitCode = 1
  })
}

/**
 * A terminal after Ctrl-S would block the process in its next write, signals and all: Node asks for that. It may wait like a pipe:
 * libuv has opened it anew, so that nobody else's terminal changes.
 */
function neverBlock(stream: Writable): void {
  const { _handle: handle } = stream as { _handle?: { setBlocking?: (isBlocking: boolean) => number } | null }
  handle?.setBlocking?.(false)
}

/** Hears of what nobody caught; the gateway takes it over. Node itself would print a stack, and the line that failed. */
let onCrash = (error: unknown): void => void reportFailure(io, error)

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
  onCrash: (listener) => {
    onCrash = listener
  },
  exit: (code) => process.exit(code),
}

keepDebuggerShut((address) => {
  process.stderr.write(
    `warning: Node's debugger is open at ${address}, as its flags or NODE_OPTIONS ask for\n`,
  )
})
for (const stream of [process.stdout, process.stderr]) {
  survive(stream)
  if (stream.isTTY) neverBlock(stream)
}
process.once('uncaughtException', (error) => {
  onCrash(error)
  process.exit(1)
})
// The gateway is loaded only by the commands that run it: the others start in half the time.
process.exitCode = await runCli(io, async (input) => {
  const code = await (await import('./serve.ts')).serve(input)
  await stderrLines().drained(LAST_LINES_MS)
  // What a stop that was cut short has left open would keep the process.
  process.exit(code)
})
