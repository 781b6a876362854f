import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { spawnPlain } from './child.ts'
import { freePort } from './loopback.ts'
import { testFolder } from './product.ts'
import { programFor } from './program.ts'
import { untilTrue } from './wait.ts'

/** Prometheus opens its database, and reads the rules, on a machine that is busy. */
const START_MS = 60_000

/**
 * Starts Prometheus, which scrapes one target every second and keeps exemplars; resolves with its address when it takes queries. Null
 * where it is missing.
 * `rules`: path of a file of rules.
 */
export async function startPrometheus(
  t: Test,
  { target, rules }: { readonly target: string; readonly rules?: string },
): Promise<string | null> {
  const program = await programFor(t, 'prometheus')
  if (program === null) return null
  const cwd = await testFolder(t)
  const port = await freePort()
  // JSON is YAML.
  const settings = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: rules === undefined ? [] : [rules],
    scrape_configs: [{ job_name: 'waybill', static_configs: [{ targets: [target] }] }],
  }
  await writeFile(join(cwd, 'prometheus.yml'), JSON.stringify(settings))
  const args = ['--config.file=prometheus.yml', '--storage.tsdb.path=data', '--log.level=warn']
  const child = spawnPlain(
    program,
    [...args, '--enable-feature=exemplar-storage', `--web.listen-address=127.0.0.1:${port}`],
    { cwd },
  )
  child.stderr?.resume()
  child.stdout?.resume()
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  })
  const url = `http://127.0.0.1:${port}`
  await untilTrue('Prometheus takes queries', () => isReady(url), { timeoutMs: START_MS })
  return url
}

/** It refuses queries, or connections, while it starts. */
async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/-/ready`, { headers: { connection: 'close' } })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

/** The number of series that a query finds; throws when Prometheus refuses it. */
export async function seriesFound(prometheus: string, query: string): Promise<number> {
  const { result } = await askPrometheus<{ result: unknown[] }>(prometheus, 'query', { query })
  return result.length
}

/** The data of an answer of Prometheus' HTTP API; throws when it refuses. */
export async function askPrometheus<Data>(
  prometheus: string,
  path: string,
  parameters: Readonly<Record<string, string>>,
): Promise<Data> {
  const url = `${prometheus}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`
  const response = await fetch(url, { headers: { connection: 'close' } })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${text}`)
  return (JSON.parse(text) as { data: Data }).data
}
