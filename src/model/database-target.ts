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

/**
 * Parses `postgres://user:password@host:port/database?sslmode=…`; `host=/folder` in the query names a unix socket
 * (PostgreSQL manual §32.1.1.2). Throws a RangeError that names what is missing and never quotes the URL: it holds a password.
 */
export function parseDatabaseUrl(text: string): DatabaseTarget {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) {
    throw new RangeError('database URL must look like postgres://user:password@host:5432/database')
  }
  const url = new URL(text)
  const host = url.searchParams.get('host') ?? decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '')
  const user = decodeURIComponent(url.username)
  const database = decodeURIComponent(url.pathname.slice(1)) || user
  if (host === '') throw new RangeError('database URL names no host')
  if (user === '') throw new RangeError('database URL names no user')
  return {
    host,
    port: url.port === '' ? 5432 : Number(url.port),
    user,
    password: url.password === '' ? null : decodeURIComponent(url.password),
    database,
    tls: readTls(url.searchParams.get('sslmode')),
  }
}

function readTls(mode: string | null): DatabaseTarget['tls'] {
  switch (mode) {
    case null:
    case 'disable':
    case 'allow':
    case 'prefer':
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
