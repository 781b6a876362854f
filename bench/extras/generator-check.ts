import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { closedJob } from '../harness/load.ts'
import { has } from '../harness/machine.ts'
import type { Figure } from '../harness/result.ts'
import type { Extra } from './extra.ts'

const run = promisify(execFile)

/** The bench's own generator beside wrk on the bare upstream: were it much slower, it would be what is measured. */
export const generatorCheck: Extra = {
  name: 'generator',
  what: "the load generator's requests/s beside wrk's, both straight to the upstream",
  run: async ({ setup, rounds, seconds, tell }) => {
    if (!has('wrk')) return []
    const { upstream, placement, load } = setup
    const own: number[] = []
    const wrk: number[] = []
    const address = `http://127.0.0.1:${upstream.port}/1k`
    const wrkCommand = ['wrk', '-t1', '-c64', `-d${Math.ceil(seconds)}s`, address] as const
    const [program, ...args] =
      placement.load === null ? wrkCommand : (['taskset', '-c', placement.load, ...wrkCommand] as const)
    for (let round = 0; round < rounds; round++) {
      const result = await load.run(closedJob({ port: upstream.port, key: undefined }, { seconds }))
      own.push(result.completed / result.seconds)
      const { stdout } = await run(program, args)
      wrk.push(Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? Number.NaN))
      tell(`generator ${own.at(-1)?.toFixed(0)} requests/s, wrk ${wrk.at(-1)?.toFixed(0)}`)
    }
    const figure = { scenario: 'generator', candidate: 'direct', unit: 'requests/s' }
    return [
      { ...figure, name: 'this generator', values: own },
      { ...figure, name: 'wrk', values: wrk },
    ] satisfies Figure[]
  },
}
