import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { mkdir } from 'node:fs/promises'
import type { Test } from 'tap'
import { runCommand } from './child.ts'
import type { TestDatabase } from './database.ts'
import { testFolder } from './product.ts'

/**
 * Mounts a file system of so many bytes on an empty folder, unmounted on teardown. Returns '' when it is there, or else the reason:
 * mounting takes root and Linux. `owner`: of its top folder; ours when not given.
 */
export async function mountSmallDisk(
  t: Test,
  folder: string,
  bytes: number,
  owner?: { readonly uid: number; readonly gid: number },
): Promise<string> {
  if (process.platform !== 'linux') return 'this is not Linux'
  if (process.getuid?.() !== 0) return 'this is not root'
  const who = owner === undefined ? '' : `,uid=${owner.uid},gid=${owner.gid}`
  const flags = ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700${who}`, 'tmpfs', folder]
  const { code, stderr } = await runCommand('mount', flags, { cwd: '/' })
  if (code !== 0) return stderr.trim()
  t.teardown(async () => {
    // Lazily: whatever still has a file open there, after a test that failed, is on its way out.
    const unmounted = await runCommand('umount', ['--lazy', folder], { cwd: '/' })
    if (unmounted.code !== 0) throw new Error(`umount: ${unmounted.stderr}`)
  })
  return ''
}

/** A small disk that tables of a test database lie on. */
export interface TableDisk {
  /** Folder on the disk for files of ours, owned by root. */
  readonly folder: string
}

/**
 * Puts the rows of `access_log` on a disk of so many bytes of its own. Null, when that cannot be done, after a comment that says why.
 */
export async function smallTableDisk(t: Test, db: TestDatabase, bytes: number): Promise<TableDisk | null> {
  const refuse = (why: string): null => {
    t.comment(`no small disk for Postgres here: ${why}`)
    return null
  }
  const [data] = await db.query<{ folder: string }>(`SELECT current_setting('data_directory') AS folder`)
  const owner = await stat(data?.folder ?? '').catch(() => null)
  if (owner === null) return refuse('the server is elsewhere')
  const folder = await testFolder(t)
  const top = join(folder, 'disk')
  await mkdir(top)
  const problem = await mountSmallDisk(t, top, bytes, owner)
  if (problem !== '') return refuse(problem)
  const name = `small_${Math.random().toString(36).slice(2)}`
  await db.query(`CREATE TABLESPACE ${name} LOCATION '${top}'`)
  const partitions = await db.query<{ name: string }>(
    `SELECT relid::regclass::text AS name FROM pg_partition_tree('access_log') WHERE isleaf`,
  )
  for (const partition of partitions) await db.query(`ALTER TABLE ${partition.name} SET TABLESPACE ${name}`)
  t.teardown(async () => {
    await db.query('DROP TABLE access_log CASCADE')
    await db.query(`DROP TABLESPACE ${name}`)
  })
  return { folder: top }
}
