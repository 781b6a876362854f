import { PassThrough, Writable } from 'node:stream'
import type { Io, Signal } from '../cli/output/io.ts'

/** An `Io` for tests, with what was written to it. */
export interface TestIo extends Io {
  readonly written: { stdout: string; stderr: string }
  /** Delivers a signal to whoever listens; returns how many did. */
  signal(name: Signal): number
}

/** For tests: surroundings without a process. */
export function testIo(argv: readonly string[], overrides: Partial<Io> = {}): TestIo {
  const written = { stdout: '', stderr: '' }
  const listeners = new Map<Signal, Set<() => void>>()
  const capture = (name: 'stdout' | 'stderr'): Writable =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        written[name] += chunk.toString()
        done()
      },
    })
  return {
    argv,
    env: {},
    cwd: '/nonexistent',
    stdin: new PassThrough(),
    stdout: capture('stdout'),
    stderr: capture('stderr'),
    isTty: { stdin: false, stdout: false, stderr: false },
    columns: 80,
    now: () => Date.UTC(2026, 10, 21, 9, 30),
    onSignal: (name, listener) => {
      const set = listeners.get(name) ?? new Set()
      listeners.set(name, set.add(listener))
      return () => void set.delete(listener)
    },
    onCrash: () => {},
    exit: () => {},
    written,
    signal: (name) => {
      const heard = [...(listeners.get(name) ?? [])]
      for (const listener of heard) listener()
      return heard.length
    },
    ...overrides,
  }
}
