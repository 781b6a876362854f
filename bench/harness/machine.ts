import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './paths.ts'

/** Where the figures of a result file come from. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  /** Name of a program → its version in one line. */
  readonly versions: Readonly<Record<string, string>>
  readonly candidateCpu: string
  readonly loadCpus: string
}

/** CPUs for the candidate and for everything else; null: not pinned. */
export interface Placement {
  readonly candidate: string | null
  readonly load: string | null
  /** All of them, for what shall run everywhere: the bench itself is on those of the load, and what it starts inherits that. */
  readonly all: string | null
  readonly cores: number
}

/** Whether a program is on the PATH. */
export function has(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0
}

/**
 * One CPU for the candidate, the first that we may use if none is named, and all others for load, upstream and PostgreSQL. With a
 * single CPU, or without taskset, nothing is pinned.
 */
export function placement(cpu: number | null): Placement {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  const allowed = list.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
  const candidate = allowed.find((each) => cpu === null || each === cpu)
  const rest = allowed.filter((each) => each !== candidate)
  if (candidate === undefined || rest.length === 0 || !has('taskset'))
    return { candidate: null, load: null, all: null, cores: allowed.length }
  return {
    candidate: String(candidate),
    load: rest.join(','),
    all: allowed.join(','),
    cores: allowed.length,
  }
}

/** Describes the machine and the versions of what is compared. */
export function describeMachine({ candidate, load }: Placement): Machine {
  const versions = {
    nginx: versionOf('nginx', '-v'),
    haproxy: versionOf('haproxy', '-v'),
    caddy: versionOf('caddy', 'version'),
    go: versionOf('go', 'version'),
    ...libraryVersions(),
    node: process.version,
  }
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    system: `${type()} ${release()} ${arch()}`,
    versions,
    candidateCpu: candidate ?? 'not pinned',
    loadCpus: load ?? 'not pinned',
  }
}

function versionOf(program: string, flag: string): string {
  if (!has(program)) return 'not there'
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' })
  return /\d+\.[\d.]+\d/.exec(stdout + stderr)?.[0] ?? 'unknown'
}

function libraryVersions(): Record<string, string> {
  const versions: Record<string, string> = {}
  for (const file of ['package-lock.json', 'bench/package-lock.json']) {
    const lock = JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as {
      packages: Record<string, { version?: string }>
    }
    for (const name of [
      'http-proxy',
      'http-proxy-3',
      'httpxy',
      'fastify',
      '@fastify/http-proxy',
      'pg',
      'undici',
    ]) {
      const version = lock.packages[`node_modules/${name}`]?.version
      if (version !== undefined) versions[name] ??= version
    }
  }
  return versions
}

/** The commit that is measured, or "unknown" outside a clone. */
export function commitOf(folder: string): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: folder,
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim()
  } catch {
    return 'unknown'
  }
}
