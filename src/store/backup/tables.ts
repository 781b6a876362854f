import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Sql, sqlStateOf, type TransactionSql } from '../sql.ts'
import { BackupError, type BackupTable } from './format.ts'

/**
 * What no backup has: `schema_migrations` is in its head, as a restored database is migrated first; `directory_followers` has a row
 * for each process that serves now, none of which serves from the database that is restored;
 * `delivery_members` and `delivery_routes` say likewise which process delivers now;
 * `signing_keys` are secrets, and a restored database gets its own.
 */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'schema_migrations',
  'directory_followers',
  'delivery_members',
  'delivery_routes',
  'signing_keys',
])

/** Partitioned tables, of which the partitions have the rows. */
export const PARTITIONED = ['access_log', 'deliveries', 'delivery_bodies'] as const

/**
 * Waybill's tables in a database, as the migrations name them (so that none is forgotten, and no foreign table in the same
 * schema is taken), each behind those that it refers to; of partitioned ones the partitions, oldest first.
 */
export async function backupTables(
  sql: Sql | TransactionSql,
  migrationsDir: string,
): Promise<readonly BackupTable[]> {
  const names = [...(await tablesOfMigrations(migrationsDir))]
  const found = await sql<{ name: string; columns: string[]; refers_to: string[] | null }[]>`
    SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns, (
        SELECT array_agg(r.relname::text) FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid
        WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid
      ) AS refers_to
    FROM pg_class log JOIN pg_class c ON c.relnamespace = log.relnamespace 
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    LEFT JOIN (pg_inherits i JOIN pg_class parent ON parent.oid = i.inhparent AND parent.relname = ANY (${[...PARTITIONED]}))
      ON i.inhrelid = c.oid AND parent.relnamespace = c.relnamespace
    WHERE log.oid = to_regclass('access_log') AND c.relkind = 'r'
      AND (c.relname = ANY(${names}) OR (i.inhparent IS NOT NULL AND NOT i.inhdetachpending))
    GROUP BY c.oid, c.relname, i.inhparent
    ORDER BY i.inhparent IS NOT NULL, c.relname`
  const tables = found.filter(({ name }) => !LEFT_OUT.has(name))
  const sorted: BackupTable[] = []
  const place = (table: (typeof tables)[number]): void => {
    if (sorted.some(({ name }) => name === table.name)) return
    for (const other of tables) if (table.refers_to?.includes(other.name) === true) place(other)
    sorted.push({ name: table.name, columns: table.columns })
  }
  for (const table of tables) place(table)
  return sorted
}

/**
 * Locks tables until the transaction ends. Rejects with a BackupError that ends in `hint` when others hold one of them for longer
 * than the handle's bound.
 */
export async function lockTables(
  tx: TransactionSql,
  tables: readonly BackupTable[],
  { mode, hint }: { readonly mode: 'ACCESS SHARE' | 'ACCESS EXCLUSIVE'; readonly hint: string },
): Promise<void> {
  for (const { name } of tables) {
    try {
      await tx.unsafe(`LOCK TABLE ${quoted(name)} IN ${mode} MODE`)
    } catch (error) {
      if (sqlStateOf(error) !== '55P03') throw error
      throw new BackupError(`table ${name} is held by another session: ${hint}`, { cause: error })
    }
  }
}

/** An identifier. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Names of the tables that the migrations make. */
export async function tablesOfMigrations(migrationsDir: string): Promise<ReadonlySet<string>> {
  const names = new Set<string>()
  for (const file of await readdir(migrationsDir)) {
    if (!file.endsWith('.sql')) continue
    const text = await readFile(join(migrationsDir, file), 'utf8')
    for (const [, name] of text.matchAll(/^\s*CREATE TABLE (?:IF NOT EXISTS )?([a-z_]+)/gm))
      names.add(name ?? '')
  }
  return names
}
