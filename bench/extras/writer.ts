import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { WRITER_BENCH } from '../harness/paths.ts'
import type { Figure } from '../harness/result.ts'
import type { Extra } from './extra.ts'

const run = promisify(execFile)

/** The writer alone, by the bench that stands beside it; its process is on the candidate's CPU, PostgreSQL on the others. */
export const writer: Extra = {
  name: 'writer',
  what: 'rows per second that the writer alone stores, batches of 128, on one core for Node',
  run: async ({ setup, tell }) => {
    const { candidate } = setup.placement
    const command = [process.execPath, WRITER_BENCH] as const
    const [program, ...args] =
      candidate === null ? command : (['taskset', '-c', candidate, ...command] as const)
    // PATH only: a developer's own settings shall not change it.
    const env = {
      PATH: process.env['PATH'] ?? '',
      WAYBILL_TEST_DATABASE_URL: process.env['WAYBILL_TEST_DATABASE_URL'] ?? '',
    }
    const stdout = await outputOf(program, args, { ...env, TAP_TIMEOUT: '600' })
    const figures: Figure[] = []
    for (const [mode, name] of [
      ['live', 'largest batches'],
      ['live in batches of 128', 'batches of 128'],
    ] as const) {
      const lines = [
        ...stdout.matchAll(new RegExp(`# ${mode}, round \\d+: stored at (\\d+) rows/s, ([\\d.]+) µs`, 'g')),
      ]
      const values = lines.map((line) => Number(line[1]))
      if (values.length === 0) continue
      tell(`${name}: ${values.join(', ')} rows/s`)
      figures.push({ scenario: 'writer', candidate: 'waybill', name, unit: 'rows/s', values })
      const cpu = lines.map((line) => Number(line[2]))
      figures.push({
        scenario: 'writer',
        candidate: 'waybill',
        name: `${name}, CPU of Node per row`,
        unit: 'µs',
        values: cpu,
      })
    }
    return figures
  },
}

/** What it prints. Rejects with its failed tests, which the exit code alone does not name. */
async function outputOf(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  try {
    return (await run(program, args, { env, maxBuffer: 16 * 1024 * 1024 })).stdout
  } catch (error) {
    const { stdout = '' } = error as { readonly stdout?: string }
    const failed = stdout.match(/^ *not ok.*$/gm)?.map((line) => line.trim())
    if (failed === undefined) throw error
    throw new Error(failed.join('; '), { cause: error })
  }
}
