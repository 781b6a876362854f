import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type DatabaseTarget, parseDatabaseUrl } from '../model/database-target.ts'
import { migrate, MIGRATIONS_DIR } from '../store/migrate.ts'
import { closeSql, openControl, type Sql } from '../store/sql.ts'

/** Serialises the making of the template among all test processes of a server. */
const TEMPLATE_LOCK = 9_299_456

/** A database of one test file. */
export interface TestDatabase {
  readonly url: string
  readonly target: DatabaseTarget
  /** A control handle on it. */
  readonly sql: Sql
}

/**
 * For tests: makes a database of its own, migrated, on the server that `WAYBILL_TEST_DATABASE_URL` names, and drops it, with
 * whatever is still connected to it, on teardown. Cloned from a template that is made once per state of the migrations.
 * Rejects when the variable is not set.
 */
export async function testDatabase(t: Test): Promise<TestDatabase> {
  const serverUrl = process.env['WAYBILL_TEST_DATABASE_URL'] ?? ''
  if (serverUrl === '') throw new Error('WAYBILL_TEST_DATABASE_URL is not set: run the tests with a database')
  const server = parseDatabaseUrl(serverUrl)
  const name = `waybill_test_${randomBytes(6).toString('hex')}`
  await withServer(server, async (admin) => {
    const template = await ensureTemplate(admin, server)
    await admin`CREATE DATABASE ${admin(name)} TEMPLATE ${admin(template)}`
  })
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const target = { ...server, database: name }
  const sql = openControl(target)
  t.teardown(async () => {
    await closeSql(sql, 1000)
    await withServer(server, async (admin) => {
      await admin`DROP DATABASE IF EXISTS ${admin(name)} WITH (FORCE)`
    })
  })
  return { url: url.href, target, sql }
}

async function withServer(server: DatabaseTarget, use: (admin: Sql) => Promise<void>): Promise<void> {
  // One connection: the advisory lock belongs to its session.
  const admin = openControl(server, { max: 1, hasLongStatements: true, applicationName: 'waybill tests' })
  try {
    await admin`SET lock_timeout = 0` // whoever comes first makes the template, the others wait
    await use(admin)
  } finally {
    await closeSql(admin, 1000)
  }
}

async function ensureTemplate(admin: Sql, server: DatabaseTarget): Promise<string> {
  const template = `waybill_template_${await hashMigrations()}`
  await admin`SELECT pg_advisory_lock(${TEMPLATE_LOCK})`
  try {
    const found = await admin`SELECT FROM pg_database WHERE datname = ${template}`
    if (found.length > 0) return template
    // Made under another name first: a run that is killed half way leaves no template that looks complete.
    const draft = `${template}_draft`
    await admin`DROP DATABASE IF EXISTS ${admin(draft)} WITH (FORCE)`
    await admin`CREATE DATABASE ${admin(draft)} TEMPLATE template0`
    const sql = openControl({ ...server, database: draft }, { max: 1, hasLongStatements: true })
    try {
      await migrate(sql, { migrationsDir: MIGRATIONS_DIR, allowDestructive: true })
    } finally {
      await closeSql(sql, 5000)
    }
    await admin`ALTER DATABASE ${admin(draft)} RENAME TO ${admin(template)}`
    return template
  } finally {
    await admin`SELECT pg_advisory_unlock(${TEMPLATE_LOCK})`
  }
}

async function hashMigrations(): Promise<string> {
  const hash = createHash('sha256')
  for (const name of (await readdir(MIGRATIONS_DIR)).sort()) {
    hash.update(name).update(await readFile(join(MIGRATIONS_DIR, name)))
  }
  return hash.digest('hex').slice(0, 16)
}
