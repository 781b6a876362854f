/** Where a PostgreSQL server is and how to log in: what both drivers are given. */
export interface DatabaseTarget {
  /** Host name, address, or the folder of a unix socket (starts with '/'). */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string | null
  readonly database: string
  /** libpq's sslmode, reduced: `disable` plain, `require` encrypted, `verify` encrypted with a checked certificate. */
  readonly tls: 'disable' | 'require' | 'verify'
}

/** In place of a URL: the embedded database, and on purpose. */
export const EMBEDDED = 'embedded'

/** Whether `database.url` means the embedded database. */
export function isEmbedded(url: string): boolean {
  return url === '' || url === EMBEDDED
}

/** What a URL's query may hold; all else that libpq knows is refused by name, or it would be dropped in silence. */
const PARAMETERS = ['host', 'port', 'user', 'password', 'dbname', 'sslmode'] as const

/** Why some of libpq's parameters are refused, and what there is instead. */
const REFUSED: Readonly<Record<string, string>> = {
  sslrootcert: 'give the CA to the process with NODE_EXTRA_CA_CERTS=<file>',
  sslcert: 'client certificates are not supported',
  sslkey: 'client certificates are not supported',
  channel_binding: 'not supported; sslmode=verify-full checks the server',
  options: 'Waybill sets what its sessions need; set the rest on the role',
  target_session_attrs: 'name the server that takes writes',
  application_name: 'Waybill names its connections itself',
  connect_timeout: 'Waybill bounds its connections itself',
  passfile: 'put the password into the URL',
  service: 'put host, user and database into the URL',
}

/**
 * Parses `postgres://user:password@host:port/database?sslmode=…`; `host=/folder` in the query names a unix socket, and user, password,
 * port and dbname may stand there too (PostgreSQL manual §32.1.1.2). Variables such as PGHOST are not read. Throws a RangeError that
 * names what is wrong and never quotes the URL: it holds a password.
 */
export function parseDatabaseUrl(text: string): DatabaseTarget {
  if (!/^postgres(ql)?:\/\//.test(text)) {
    throw new RangeError('database URL must look like postgres://user:password@host:5432/database')
  }
  const authority = text.split('/')[2] ?? ''
  if (authority.slice(authority.lastIndexOf('@') + 1).includes(',')) throw new RangeError(ONE_HOST)
  if (!URL.canParse(text)) {
    throw new RangeError('database URL must look like postgres://user:password@host:5432/database')
  }
  const url = new URL(text)
  const given = readParameters(url.searchParams)
  const host = given.get('host') ?? decoded(url.hostname).replace(/^\[|\]$/g, '')
  const user = given.get('user') ?? decoded(url.username)
  const database = given.get('dbname') ?? (decoded(url.pathname.slice(1)) || user)
  const port = Number(given.get('port') ?? (url.port === '' ? 5432 : url.port))
  if (host === '') throw new RangeError('database URL names no host')
  if (host.includes(',')) throw new RangeError(ONE_HOST)
  if (user === '') throw new RangeError('database URL names no user')
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RangeError('database URL: port must be a number from 1 to 65535')
  }
  const password = given.get('password') ?? (url.password === '' ? null : decoded(url.password))
  return { host, port, user, password, database, tls: readTls(given.get('sslmode') ?? null) }
}

const ONE_HOST = 'database URL: several hosts are not supported; name one that takes writes'

function readParameters(query: URLSearchParams): Map<string, string> {
  const given = new Map<string, string>()
  for (const [name, value] of query) {
    if (!PARAMETERS.some((known) => known === name)) {
      const why = REFUSED[name] ?? `unknown; it may have ${PARAMETERS.join(', ')}`
      // With an @ behind the question mark it is a password that was not percent-encoded.
      const shown = /^[a-z_]{1,40}$/i.test(name) && !/@/.test(query.toString() + value) ? ` ${name}` : ''
      throw new RangeError(`database URL: parameter${shown} is refused: ${why}`)
    }
    if (given.has(name)) throw new RangeError(`database URL: parameter ${name} is given twice`)
    given.set(name, value)
  }
  return given
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RangeError('database URL: a % must be followed by two hexadecimal digits')
  }
}

function readTls(mode: string | null): DatabaseTarget['tls'] {
  switch (mode) {
    case null:
    case 'disable':
      return 'disable'
    case 'require':
      return 'require'
    case 'verify-ca':
    case 'verify-full':
      return 'verify'
    default:
      throw new RangeError('database URL: sslmode must be one of disable, require, verify-ca, verify-full')
  }
}
