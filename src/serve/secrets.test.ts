import t from 'tap'
import { loadConfig } from '../config/config.ts'
import { OPTION_NAMES, optionEnv, type OptionName, optionRow } from '../config/options.ts'
import { createLogger } from '../logger/logger.ts'
import { hideSecrets } from './secrets.ts'

const SECRET = 'Corr3ct-h0rse-b4ttery-staple'
/** 32 bytes in base64. */
const SECRET_KEY = Buffer.from(SECRET.padEnd(32, '!')).toString('base64')

/** A value that the option takes. */
function valueWith(name: OptionName): string {
  if (name.startsWith('database.')) return `postgres://waybill:${SECRET}@db.example.test/waybill`
  if (name === 'deliveries.encryptionKeys') return `first:${SECRET_KEY}`
  return name.endsWith('.authorization') ? `Token ${SECRET}` : SECRET
}

for (const name of OPTION_NAMES.filter((each) => optionRow(each).isSecret === true && each !== 'events')) {
  t.test(`the secret in ${name} never shows in the log`, (t) => {
    const env = { [optionEnv(name)]: valueWith(name) }
    let text = ''
    const logger = createLogger({
      level: 'info',
      destination: { write: (line: string) => void (text += line) },
    })
    hideSecrets(logger, loadConfig({ file: null, env, flags: {} }))
    logger.warn({ reason: `unknown: ${valueWith(name)}` }, `it said ${valueWith(name)}`)
    t.match(text, 'unknown: ')
    t.notMatch(text, SECRET)
    t.notMatch(text, SECRET_KEY)
    t.end()
  })
}

t.test('of a receiver of events, its address and its secret never show in the log', (t) => {
  const url = `https://hooks.example.test/${SECRET}`
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
  const env = { [optionEnv('events')]: JSON.stringify([{ url, secret }]) }
  let text = ''
  const logger = createLogger({
    level: 'info',
    destination: { write: (line: string) => void (text += line) },
  })
  hideSecrets(logger, loadConfig({ file: null, env, flags: {} }))
  logger.warn({ reason: `unknown: ${url}` }, `it said ${secret}`)
  t.match(text, 'unknown: ')
  t.notMatch(text, SECRET)
  t.notMatch(text, secret)
  t.end()
})

t.test('of Basic credentials for the collector the password alone is hidden as well', (t) => {
  const pair = Buffer.from(`user:${SECRET}`).toString('base64')
  const env = { [optionEnv('traces.authorization')]: `Basic ${pair}` }
  let text = ''
  const logger = createLogger({
    level: 'info',
    destination: { write: (line: string) => void (text += line) },
  })
  hideSecrets(logger, loadConfig({ file: null, env, flags: {} }))
  logger.warn(`refused: ${SECRET}, of ${pair}`)
  t.notMatch(text, SECRET)
  t.notMatch(text, pair)
  t.end()
})
