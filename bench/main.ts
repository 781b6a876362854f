import { runBench } from './harness/run.ts'
import { UsageError, help, readOptions } from './options.ts'
import { killAll } from './harness/process.ts'
import { printed, writeReport } from './report/files.ts'

// The measured comparison: node dist/test/with-postgres.js -- node dist/bench/main.js --help
// Exit codes: 0 the run counts, 1 it does not or failed, 2 usage.

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  if (options === null) {
    process.stdout.write(help())
    return 0
  }
  const result = await runBench(options, (line) => process.stderr.write(`${line}\n`))
  await writeReport(result, options.out)
  process.stdout.write(`${printed(result)}\n\n${options.out}\n`)
  return result.problems.length === 0 ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killAll()
    process.exit(130)
  })
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  killAll()
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}
