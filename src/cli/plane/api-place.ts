import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isIP } from 'node:net'
import type { Command } from 'commander'
import { errorCode } from '../../lib/error-code.ts'
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

/** Where the API is that a command is told to ask; null when it works on the database. Throws a UsageError. */
export function readPlace(io: Io, flags: object): ApiPlace | null {
  const { url: flag, tokenFile, caFile, plainHttp } = flags as PlaceFlags
  const text = flag ?? io.env['WAYBILL_URL'] ?? ''
  if (text === '') return null
  const name = flag === undefined ? 'WAYBILL_URL' : '--url'
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
    token: readToken(io, tokenFile ?? io.env['WAYBILL_TOKEN_FILE']),
    caFile: caFile === undefined ? null : resolve(io.cwd, caFile),
  }
}

function readToken(io: Io, file: string | undefined): string | null {
  if (file === undefined || file === '') return checked(io.env['WAYBILL_TOKEN'] ?? '', 'WAYBILL_TOKEN')
  try {
    return checked(readFileSync(resolve(io.cwd, file), 'utf8').trim(), '--token-file')
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError([`--token-file: ${file} cannot be read (${errorCode(error)})`])
  }
}

/** What a field of HTTP cannot carry is no token; it is not repeated. */
function checked(token: string, name: string): string | null {
  if (token === '') return null
  if (!/^[\x21-\x7e]{1,512}$/.test(token)) throw new UsageError([`${name}: is not a token`])
  return token
}

function isLoopback(hostname: string): boolean {
  const plain = hostname.replace(/^\[|\]$/g, '')
  return plain === 'localhost' || plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))
}
