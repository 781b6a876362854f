import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine } from '../harness/machine.ts'
import type { Result } from '../harness/result.ts'
import { SCENARIOS } from '../scenarios.ts'
import { buildComparison } from './build-comparison.ts'
import { goalRows } from './goals.ts'
import { median } from './median.ts'
import { plotsOf } from './plots.ts'
import { candidatesIn, figureRows, scenarioRows } from './scenario-table.ts'
import { markdownTable, textTable } from './text-table.ts'

type Table = (rows: readonly (readonly string[])[]) => string

/** Writes result.json, results.md and the plots into a folder, which is made. */
export async function writeReport(result: Result, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'result.json'), `${JSON.stringify(result, null, 1)}\n`)
  const plots = plotsOf(result)
  for (const [file, svg] of plots) await writeFile(join(folder, file), svg)
  const pictures = [...plots.keys()].map((file) => `![${file.replace('.svg', '')}](${file})`)
  const text = `# Results

Written by \`make bench\`; [README.md](README.md) says what the figures mean.

${report(result, markdownTable)}

${pictures.join('\n\n')}
`
  await writeFile(join(folder, 'results.md'), text)
}

/** The tables as text for a terminal. */
export function printed(result: Result): string {
  return report(result, textTable)
}

function report(result: Result, table: Table): string {
  const { cells, figures, missing, candidates = {} } = result
  const parts = [description(result)]
  const legend = Object.entries(candidates)
  if (legend.length > 0) parts.push(legend.map(([name, what]) => `* ${name}: ${what}`).join('\n'))
  for (const { name, what } of SCENARIOS) {
    if (candidatesIn(cells, name).length > 0)
      parts.push(`## ${name}: ${what}`, table(scenarioRows(cells, name)))
  }
  const builds = buildComparison(result)
  if (builds !== null) parts.push(`## ${builds.title}`, table(builds.rows), builds.note)
  if (figures.length > 0) parts.push('## Further figures', table(figureRows(result)))
  parts.push('## Goals', table(goalRows(result)))
  for (const [name, what] of Object.entries(missing))
    parts.push(`Not compared: ${name}, for want of ${what}.`)
  if (cells.length > 0) parts.push(quietness(result))
  parts.push(accountOf(result))
  return parts.join('\n\n')
}

function accountOf({ cells, problems }: Result): string {
  if (problems.length > 0) {
    return `**This run does not count:**\n\n${problems.map((problem) => `* ${problem}`).join('\n')}`
  }
  const count = cells.reduce((sum, { accounts }) => sum + accounts.sent, 0)
  return `All of the ${count.toLocaleString('en')} requests in the tables were answered and seen by the upstream once; where there is a log, each is in it once.`
}

/** Softirqs of the candidate's own traffic count as others' time, so a few percent are normal. */
const QUIET_SHARE = 0.1

function quietness({ cells }: Result): string {
  const shares = cells.flatMap(({ foreignShare }) => foreignShare ?? [])
  if (shares.length === 0)
    return 'The candidates were not pinned to a CPU of their own: the figures mean little.'
  const share = median(shares)
  const text = `Others took ${(share * 100).toFixed(0)} % of the candidate's CPU (median; most ${(Math.max(...shares) * 100).toFixed(0)} %).`
  return share < QUIET_SHARE ? text : `${text} **The machine was not quiet: repeat the run.**`
}

function description(result: Result): string {
  const { at, commit, against, machine, postgres, upstream, rounds, secondsEach, tookSeconds } = result
  const minutes = (tookSeconds / 60).toFixed(0)
  return `${at.slice(0, 16).replace('T', ' ')} UTC, commit ${commit}${against === undefined ? '' : `, beside ${against} (@other)`}; medians of ${rounds} rounds of ${secondsEach} s, ${minutes} min in all.
${machineText(machine)} PostgreSQL: ${postgres}. Upstream: ${upstream}.`
}

function machineText({ cpu, cores, memoryBytes, system, versions, candidateCpu, loadCpus }: Machine): string {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const gib = Math.round(memoryBytes / 2 ** 30)
  return `${cpu}, ${cores} cores, ${gib} GiB, ${system}; candidate on CPU ${candidateCpu}, load, upstream and PostgreSQL on ${loadCpus}. ${list.join(', ')}.`
}
