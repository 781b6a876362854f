import { hostname, userInfo } from 'node:os'
import type { Actor } from '../model/audit/actor.ts'
import type { Io } from './output/io.ts'

/** Who types a command, as far as the operating system tells: the account, and who it was before sudo. */
export function cliActor({ env }: Pick<Io, 'env'>): Actor {
  const before = env['SUDO_USER'] ?? ''
  const account = accountName()
  const name = before === '' || before === account ? account : `${before} as ${account}`
  return { name, via: 'cli', from: hostname() }
}

function accountName(): string {
  try {
    return userInfo().username
  } catch {
    // An account without an entry in passwd, as containers have them.
    return `uid ${process.getuid?.() ?? '?'}`
  }
}
