import { decodePercent } from '../lib/percent.ts'
import type { Route } from '../model/route.ts'
import type { AccessQuestion, Need } from './kind.ts'
import { ECOSYSTEMS } from './kinds.ts'

/** Paths that hold what two servers could take differently are no exception to anything. */
const AMBIGUOUS = /[;\\]|\/[/.]|%(?:[01][0-9a-f]|2[35ef]|3[bf]|5c|7f)/i
/** Query parameters that name another method: `_method` (Rails, Laravel, Symfony), `X-HTTP-Method-Override`, `method=delete`. */
const METHOD_IN_QUERY = /method|%/i

/**
 * GET, HEAD and OPTIONS read; everything else writes, but for what the route's `reads` name, and what the protocol
 * of its kind asks by POST and changes nothing: without a query, and by a path that all servers read alike. A request
 * that names another method in a field or its query, for servers that believe that, reads only if both methods do. A
 * WebSocket can do anything, and writes.
 */
export function accessOf(route: Route, question: AccessQuestion): Need {
  const { method, query, head } = question
  if (head.methodOverride !== null && !isRead(head.methodOverride)) return 'write'
  if (query !== '' && METHOD_IN_QUERY.test(query) && namesWrite(query)) return 'write'
  // An upstream that does not take the upgrade answers the request.
  if (question.isUpgrade) return namesRead(route, 'WebSocket', question.rest) ? 'read' : 'write'
  const { access } = ECOSYSTEMS[route.kind]
  if (access.isWrite(question)) return 'write'
  if (isRead(method)) return 'read'
  // An override to GET is believed by some and not by others: no exception for it.
  if (head.methodOverride !== null) return 'write'
  if (route.rules.reads.length > 0 && namesRead(route, method, question.rest)) return 'read'
  const mayBeExcepted = method === 'POST' && query === '' && !AMBIGUOUS.test(question.rest)
  return mayBeExcepted ? access.ofPost(question) : 'write'
}

/** Whether a body on which its request's access depends shows that it only reads. Never throws. */
export function isReadBody({ kind }: Route, body: Buffer): boolean {
  return ECOSYSTEMS[kind].access.ofBody?.isRead(body) ?? false
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

/** Whether the route's `reads` name this method, here. */
function namesRead({ rules }: Route, method: string, rest: string): boolean {
  return rules.reads.some((rule) => rule.method === method && (rule.path === null || fits(rule.path, rest)))
}

/** `*` stands for one segment, `**` at the end for all that follows. */
function fits(pattern: string, rest: string): boolean {
  if (AMBIGUOUS.test(rest)) return false
  const wanted = pattern.split('/')
  const found = rest.split('/')
  const isOpen = wanted.at(-1) === '**'
  if (isOpen ? found.length < wanted.length : found.length !== wanted.length) return false
  return wanted.every((part, i) =>
    part === '**' ? isOpen : part === '*' ? found[i] !== '' : part === found[i],
  )
}

const NAMES_OF_METHOD: ReadonlySet<string> = new Set([
  ...'method httpmethod methodoverride httpmethodoverride xmethodoverride xhttpmethod'.split(' '),
  'xhttpmethodoverride',
])
/** Of a parameter `method`, which may mean anything: the ones that write in HTTP. */
const METHODS_THAT_WRITE =
  /^(?:post|put|patch|delete|merge|copy|move|mkcol|link|unlink|proppatch|lock|unlock|purge|acl|bind|rebind|unbind|mkcalendar|mkactivity|checkout)$/i

/** Whether a parameter names a method that writes. */
function namesWrite(query: string): boolean {
  return query
    .slice(1)
    .split(/[&;]/)
    .some((pair) => {
      const equals = pair.indexOf('=')
      if (equals === -1) return false
      const name = decodePercent(pair.slice(0, equals)).toLowerCase()
      if (!NAMES_OF_METHOD.has(name.replaceAll(/[^a-z]/g, ''))) return false
      const value = decodePercent(pair.slice(equals + 1).replaceAll('+', ' ')).trim()
      // `_method` and `X-HTTP-Method-Override` are there for nothing else: what is not known to read writes.
      return /^[a-z]/.test(name) && !name.includes('override') && !name.startsWith('x')
        ? METHODS_THAT_WRITE.test(value)
        : !isRead(value.toUpperCase())
    })
}
