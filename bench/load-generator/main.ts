import { createInterface } from 'node:readline'
import { Generator } from './generator.ts'
import type { Job } from './job.ts'

// The load generator, a process of its own so that it can be pinned: a job per line in, its result per line out.

for await (const line of createInterface({ input: process.stdin })) {
  const result = await new Generator(JSON.parse(line) as Job).run()
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
