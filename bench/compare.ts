import { readFile } from 'node:fs/promises'
import type { Result } from './harness/result.ts'
import { comparison } from './report/comparison.ts'
import { printed } from './report/files.ts'

// Two result files side by side, or one again: node dist/bench/compare.js a.json [b.json]
// Whether a change costs CPU is told by one run with --against: between two runs the machine changes more than the code.

const [first, second] = process.argv.slice(2)
if (first === undefined) {
  process.stderr.write('usage: make bench-compare ARGS="a.json [b.json]"\n')
  process.exitCode = 2
} else {
  const before = await read(first)
  const text = second === undefined ? printed(before) : comparison(before, await read(second))
  process.stdout.write(`${text}\n`)
}

async function read(file: string): Promise<Result> {
  const result = JSON.parse(await readFile(file, 'utf8')) as Result
  if (result.format !== 1) throw new Error(`${file} is no result file of this bench`)
  return result
}
