import { jsonReply, type OwnAnswer, type OwnAnswers } from './own-answer.ts'

/** A login has 300 bytes, and a registry of the public kind takes no more either. */
const MAX_LOGIN_BYTES = 64 * 1024
/** `npm login --auth-type=legacy`, as the registry's API has it from CouchDB. */
const USER = /^\/-\/user\/org\.couchdb\.user(?::|%3a)[^/]+$/i
const TOKEN = /^\/-\/user\/token\/[^/]+$/

const PING: OwnAnswer = { by: 'key', onPublic: 'upstream', reply: () => jsonReply(200, {}) }

const WHOAMI: OwnAnswer = {
  by: 'key',
  onPublic: 'upstream',
  reply: ({ tenant }) => jsonReply(200, { username: tenant }),
}

/** The key is the password; it comes back as the token, which npm writes to its file. */
const LOGIN: OwnAnswer = {
  by: 'body',
  maxBytes: MAX_LOGIN_BYTES,
  keyIn: passwordIn,
  reply: ({ tenant, text }) =>
    jsonReply(201, { ok: true, id: `org.couchdb.user:${tenant}`, rev: '1-0', token: text }),
}

/** Login through a web page: npm asks for it first, and falls back to name and password at 404. */
const WEB_LOGIN: OwnAnswer = {
  by: 'anybody',
  reply: jsonReply(404, { error: 'Log in with: npm login --auth-type=legacy' }),
}

/** npm forgets the token. The key stays: others may use it, and only an operator revokes one (0481). */
const LOGOUT: OwnAnswer = { by: 'key', onPublic: 'upstream', reply: () => jsonReply(200, { ok: true }) }

/** Who a client is, and its login, the gateway knows better than a registry behind it. Profiles and `npm token` are the upstream's. */
export const npmLogin: OwnAnswers = {
  root: null,
  answerTo(method, rest) {
    if (!rest.startsWith('/-/')) return null
    const isRead = method === 'GET' || method === 'HEAD'
    if (rest === '/-/ping') return isRead ? PING : null
    if (rest === '/-/whoami') return isRead ? WHOAMI : null
    if (rest === '/-/v1/login') return method === 'POST' ? WEB_LOGIN : null
    if (method === 'PUT' && USER.test(rest)) return LOGIN
    return method === 'DELETE' && TOKEN.test(rest) ? LOGOUT : null
  },
}

/** Of `{"name": …, "password": …}`; null for a body that is something else. */
function passwordIn(body: Buffer): string | null {
  try {
    const user: unknown = JSON.parse(body.toString('utf8'))
    const hasPassword = typeof user === 'object' && user !== null && 'password' in user
    return hasPassword && typeof user.password === 'string' ? user.password : null
  } catch {
    return null
  }
}
