import { closeSync, constants, fchmodSync, ftruncateSync, writeSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { openRegular } from '../lib/host/folder-owner.ts'
import { DATABASE_NAME } from './postgres-cluster.ts'
import { followOwner, type Layout } from './postgres-layout.ts'

/** PostgreSQL manual §20.9: the kernel tells the server whose process is at the other end of a unix socket. */
const RULES = 'local all all peer map=waybill\n'

/**
 * Writes the users that may log in: the one that runs Waybill, and root. Other programs of the database's user may not, which may be
 * `nobody`. Returns the settings that make the server read them, in place of those in the data directory.
 */
export function writeAccessRules(layout: Layout, major: number): Record<string, string> {
  const users = new Set(['root', userInfo().username])
  // A superuser may become any role; that `all` may stand here is new in PostgreSQL 16.
  const role = major >= 16 ? 'all' : DATABASE_NAME
  const map = [...users].map((user) => `waybill "${user}" ${role}\n`).join('')
  return {
    hba_file: rewrite(layout, 'pg_hba.conf', RULES),
    ident_file: rewrite(layout, 'pg_ident.conf', map),
  }
}

/** In `home`, which the database's user can read and not write. */
function rewrite(layout: Layout, name: string, text: string): string {
  const file = join(layout.home, name)
  const { O_WRONLY, O_CREAT } = constants
  const fd = openRegular(file, O_WRONLY | O_CREAT, 0o644)
  try {
    ftruncateSync(fd)
    writeSync(fd, text)
    fchmodSync(fd, 0o644)
  } finally {
    closeSync(fd)
  }
  followOwner(file, layout.home)
  return file
}
