import fc from 'fast-check'
import t from 'tap'
import { createLogger, type LogLevel } from './logger.ts'
import { logFormatOf, type LogFormat } from './pretty.ts'

function capture(format: LogFormat, level: LogLevel = 'info') {
  let text = ''
  const logger = createLogger({
    level,
    format,
    destination: { write: (line: string) => void (text += line) },
  })
  return { logger, take: () => text }
}

t.test('G7: auto is for people at a terminal and for programs elsewhere', (t) => {
  const at = (isTty: boolean, env: Record<string, string> = {}) => ({ isTty, env })
  t.equal(logFormatOf('auto', at(false)), 'json')
  t.equal(logFormatOf('auto', at(true)), 'coloured')
  t.equal(logFormatOf('auto', at(true, { NO_COLOR: '1' })), 'pretty')
  t.equal(logFormatOf('auto', at(true, { NO_COLOR: '' })), 'coloured')
  t.equal(logFormatOf('auto', at(true, { TERM: 'dumb' })), 'pretty')
  t.equal(logFormatOf('json', at(true)), 'json')
  t.equal(logFormatOf('pretty', at(false)), 'pretty')
  t.end()
})

t.test('G7: a line for people has time, level, message, fields; a stack at debug only', (t) => {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  const err = Object.assign(new Error('no database', { cause }), { code: 'WAYBILL_X' })
  const { logger, take } = capture('pretty')
  logger.info({ route: 'npm', entries: 3, where: { host: 'a b' }, note: 'two words' }, 'ready')
  logger.warn({ err }, 'upkeep failed')
  const [first = '', second = '', ...more] = take().split('\n')
  t.match(
    first,
    /^\d\d:\d\d:\d\d\.\d{3}Z info  ready  route=npm entries=3 where={"host":"a b"} note="two words"$/,
  )
  t.match(second, /^[\d:.]+Z warn  upkeep failed  err="no database \(WAYBILL_X\): connect ECONNREFUSED"$/)
  t.same(more, [''])
  const debug = capture('pretty', 'debug')
  debug.logger.warn({ err }, 'upkeep failed')
  t.match(debug.take(), /\n {4}at /)
  const coloured = capture('coloured')
  coloured.logger.error('bad')
  // oxlint-disable-next-line no-control-regex -- colours are what is looked for
  t.match(coloured.take(), /\u001b\[31merror\u001b\[0m bad\n$/)
  t.end()
})

// oxlint-disable-next-line no-control-regex -- matching control characters is the purpose
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

t.test('G7: no value breaks out of its line or commands a terminal, in any format', (t) => {
  const unit = fc.oneof(
    fc.constantFrom('\n', '\r', '\u001b', '\u0000', '\u007f', '\u009b', '\u2028', '\u202e', '"', '\\', '='),
    fc.string({ maxLength: 2 }),
  )
  const text = fc.array(unit, { maxLength: 8 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, text, text, fc.constantFrom('json', 'pretty'), (name, value, message, format) => {
      const { logger, take } = capture(format, 'debug')
      logger.warn({ [`x${name}`]: value, deep: { [name]: [value] } }, message)
      logger.warn({ err: Object.assign(new Error(value), { stack: 'Error' }) }, message)
      return take().split('\n').length === 3 && !UNSAFE.test(take())
    }),
  )
  // A stack takes lines of its own, of which none looks like one of the log.
  const { logger, take } = capture('pretty', 'debug')
  logger.warn(
    { err: Object.assign(new Error('x'), { stack: 'Error: x\n09:30:00.000Z info  forged\u001b[2J' }) },
    'm',
  )
  t.match(take().split('\n')[1], /^ {4}09:30:00\.000Z info {2}forged\\x1b\[2J$/)
  t.end()
})

t.test('G7: an error with a code, which is no bug, keeps its stack at debug only', (t) => {
  const coded = Object.assign(new Error('refused'), { code: '28P01' })
  for (const [level, error, hasStack] of [
    ['info', coded, false],
    ['debug', coded, true],
    ['info', new TypeError('a bug'), true],
    ['info', Object.assign(new Error('a mistake'), { code: 'ERR_INVALID_ARG_TYPE' }), true],
  ] as const) {
    const { logger, take } = capture('json', level)
    logger.warn({ err: error }, 'm')
    const { err } = JSON.parse(take()) as { err: { message: string; stack?: string } }
    t.equal(err.message, error.message)
    t.equal(err.stack !== undefined, hasStack, `${level}, ${error.message}`)
  }
  t.end()
})
