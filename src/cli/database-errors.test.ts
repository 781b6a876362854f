import t from 'tap'
import { isSchemaError } from '../store/database-errors.ts'
import { databaseError } from './database-errors.ts'

const TARGET = {
  host: 'db.example.com',
  port: 5432,
  user: 'waybill',
  password: 'sekrit',
  database: 'waybill',
  tls: 'disable',
} as const

const failure = (code: string, extra: object = {}) => Object.assign(new Error('boom'), { code, ...extra })

t.test('an unreachable database is one line with host and port and without the password', async (t) => {
  for (const error of [
    failure('ECONNREFUSED', { syscall: 'connect' }),
    failure('ENOTFOUND', { syscall: 'getaddrinfo' }),
    failure('CONNECT_TIMEOUT'),
    failure('57P03'),
  ]) {
    const message = databaseError(error, TARGET)?.message ?? ''
    t.equal(message, `the database at db.example.com:5432 cannot be reached (${error.code})`)
  }
})

t.test('a refusal of the server passes its message and SQLSTATE on', async (t) => {
  t.match(databaseError(failure('28P01'), TARGET)?.message, 'refused: boom (SQLSTATE 28P01)')
  t.match(databaseError(failure('57014'), TARGET)?.message, 'database.statementTimeoutMs')
  t.match(
    databaseError(failure('08P01'), TARGET)?.message,
    'refused: boom (SQLSTATE 08P01); is it a pooler? See docs/operating.md, PgBouncer',
  )
  t.ok(isSchemaError(failure('42P01')))
})

t.test('what is no failure of the database is left alone', async (t) => {
  t.equal(databaseError(failure('ENOENT', { syscall: 'open' }), TARGET), null)
  t.equal(databaseError(failure('EPERM', { syscall: 'open' }), TARGET), null)
  t.equal(databaseError(failure('tenant_exists'), TARGET), null)
  t.equal(databaseError(new TypeError('x'), TARGET), null)
  t.equal(databaseError(null, TARGET), null)
})
