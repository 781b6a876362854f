import { once } from 'node:events'
import { hasEnded, killGroup, spawnPlain, type Finished } from '../../harness/child.ts'
import type { Machine } from './machine.ts'

const TIMEOUT_MS = 60_000

/** What a program asks, as the end of what it has printed, and what is typed then. */
export type Answer = readonly [question: RegExp, typed: string]

/** Runs a program that asks, and answers each question when it stands there. Rejects when it takes too long. */
export async function converse(
  machine: Machine,
  program: string,
  args: readonly string[],
  answers: readonly Answer[],
): Promise<Finished> {
  const child = spawnPlain(program, args, {
    cwd: machine.project,
    env: machine.env,
    stdin: 'pipe',
    isLeader: true,
  })
  const printed = { stdout: '', stderr: '', all: '' }
  const left = [...answers]
  const hear = (pipe: 'stdout' | 'stderr', text: string): void => {
    printed[pipe] += text
    printed.all += text
    const [next] = left
    if (next === undefined || !next[0].test(printed.all)) return
    left.shift()
    printed.all = ''
    child.stdin?.write(`${next[1]}\n`)
  }
  for (const pipe of ['stdout', 'stderr'] as const)
    child[pipe]?.setEncoding('utf8').on('data', (text: string) => hear(pipe, text))
  child.stdin?.on('error', () => {})
  const timer = setTimeout(() => killGroup(child), TIMEOUT_MS)
  try {
    if (!hasEnded(child)) await once(child, 'close')
  } finally {
    clearTimeout(timer)
  }
  if (child.exitCode === null)
    throw new Error(`${program} ${args.join(' ')} took too long\n${printed.stdout}${printed.stderr}`)
  return { code: child.exitCode, stdout: printed.stdout, stderr: printed.stderr }
}
