import { resolve } from 'node:path'
import type { Command } from 'commander'
import { SecretFiles } from '../../config/secret-files.ts'
import { isLoopback } from '../../lib/host/loopback.ts'
import { UsageError } from '../errors.ts'
import type { Io } from '../output/io.ts'
import type { ApiPlace } from './remote/api-client.ts'

/** The flags that say where the API is. A token is no flag: others on the machine see those. */
interface PlaceFlags {
  readonly url?: string
  readonly tokenFile?: string
  readonly caFile?: string
  readonly plainHttp?: boolean
}

/** Flags that mean nothing of a database. */
const API_FLAGS = { tokenFile: '--token-file', caFile: '--ca-file', plainHttp: '--plain-http' } as const

/** Adds them. */
export function addPlaceFlags(command: Command): Command {
  return command
    .option(
      '--url <url>',
      'ask the API of a gateway, in place of the database (default: WAYBILL_URL); a token is in WAYBILL_TOKEN',
    )
    .option('--token-file <file>', 'the token is in this file (default: WAYBILL_TOKEN_FILE)')
    .option('--ca-file <file>', "trust these certificates (PEM) in place of the system's")
    .option(
      '--plain-http',
      'with --url: send the token without TLS to another machine, where everybody in between reads it',
    )
}

/** Flags that choose a database; what bounds its statements bounds the wait for the API as well. */
const DATABASE_FLAGS = {
  databaseUrl: '--database-url',
  databaseReaderUrl: '--database-reader-url',
  stateDir: '--state-dir',
} as const

/**
 * Where the API is that a command is told to ask; null when it works on the database. Throws a UsageError, also where flags and environment
 * name two places: what is meant for one must not happen in the other.
 */
export function readPlace(io: Io, flags: object): ApiPlace | null {
  const { url: flag, tokenFile, caFile, plainHttp } = flags as PlaceFlags
  const text = flag ?? io.env['WAYBILL_URL'] ?? ''
  const name = flag === undefined ? 'WAYBILL_URL' : '--url'
  if (text === '' && flag === undefined) {
    refuseFlags(flags, API_FLAGS, 'needs --url or WAYBILL_URL: without, the command works on the database')
    return null
  }
  const contradiction = `contradicts ${name}, by which the command asks the API of a gateway`
  refuseFlags(
    flags,
    DATABASE_FLAGS,
    `${contradiction}: ${flag === undefined ? 'unset that' : 'leave out one'}`,
  )
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '')
    throw new UsageError([
      `${name}: must be the address of an admin listener, such as https://gateway.example.com:8090`,
    ])
  if (url.username !== '' || url.password !== '')
    throw new UsageError([
      `${name}: must not have credentials in it: the token is in WAYBILL_TOKEN, or a file`,
    ])
  if (url.protocol === 'http:' && plainHttp !== true && !isLoopback(url.hostname))
    throw new UsageError([
      `${name}: http: to another machine shows the token to everybody in between: use https:, or --plain-http`,
    ])
  return {
    url,
    token: readToken(io, tokenFile),
    caFile: caFile === undefined ? null : resolve(io.cwd, caFile),
  }
}

/** Throws a UsageError that names those of the flags that are given. */
function refuseFlags(flags: object, refused: Readonly<Record<string, string>>, why: string): void {
  const given = Object.entries(refused).filter(
    ([key]) => (flags as Readonly<Record<string, unknown>>)[key] !== undefined,
  )
  if (given.length > 0) throw new UsageError(given.map(([, name]) => `${name} ${why}`))
}

function readToken(io: Io, flag: string | undefined): string | null {
  const file = flag ?? io.env['WAYBILL_TOKEN_FILE'] ?? ''
  if (file === '') return checked(io.env['WAYBILL_TOKEN'] ?? '', 'WAYBILL_TOKEN')
  const name = flag === undefined ? 'WAYBILL_TOKEN_FILE' : '--token-file'
  const read = new SecretFiles().read(resolve(io.cwd, file))
  if ('problem' in read) throw new UsageError([`${name}: ${file} ${read.problem}`])
  return checked(read.text.trim(), name)
}

/** What a field of HTTP cannot carry is no token; it is not repeated. */
function checked(token: string, name: string): string | null {
  if (token === '') return null
  if (!/^[\x21-\x7e]{1,512}$/.test(token)) throw new UsageError([`${name}: is not a token`])
  return token
}
