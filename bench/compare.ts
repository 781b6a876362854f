import { readFile } from 'node:fs/promises'
import { comparison } from './report/comparison.ts'
import type { Result } from './harness/result.ts'

// Two result files side by side: node dist/bench/compare.js a.json b.json

const [first, second] = process.argv.slice(2)
if (first === undefined || second === undefined) {
  process.stderr.write('usage: npm run bench:compare a.json b.json\n')
  process.exitCode = 2
} else {
  process.stdout.write(`${comparison(await read(first), await read(second))}\n`)
}

async function read(file: string): Promise<Result> {
  const result = JSON.parse(await readFile(file, 'utf8')) as Result
  if (result.format !== 1) throw new Error(`${file} is no result file of this bench`)
  return result
}
