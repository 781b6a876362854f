import { decodePercent } from '../../lib/percent.ts'
import type { Route } from '../../model/route.ts'
import type { Access } from '../../model/scope.ts'
import type { RequestHead } from '../../http/request-head.ts'

/** What a request needs: a scope for reading or writing, or whichever its body says, see `lfs-batch.ts`. */
export type Need = Access | 'by_body'

/** What the need is told from. */
export interface AccessQuestion {
  readonly method: string
  /** The path below the route's, starting with '/'. */
  readonly rest: string
  readonly query: string
  readonly head: RequestHead
  readonly isUpgrade: boolean
}

/** Paths that hold what two servers could take differently are no exception to anything. */
const AMBIGUOUS = /[;\\]|\/[/.]|%(?:[01][0-9a-f]|2[35ef]|3[bf]|5c|7f)/i
/** Query parameters that name another method: `_method` (Rails, Laravel, Symfony), `X-HTTP-Method-Override`, `method=delete`. */
const METHOD_IN_QUERY = /method|%/i

/**
 * GET, HEAD and OPTIONS read; everything else writes, but for what the route's `reads` name and what protocols ask by POST and changes
 * nothing: `git fetch` (gitprotocol-http, service git-upload-pack), Git LFS downloads, and `npm audit`, which every `npm install` sends.
 * A request that names another method in a field or its query, for servers that believe that, reads only if both methods do. A
 * WebSocket can do anything, and writes.
 */
export function accessOf(route: Route, question: AccessQuestion): Need {
  const { method, query, head } = question
  if (head.methodOverride !== null && !isRead(head.methodOverride)) return 'write'
  if (query !== '' && METHOD_IN_QUERY.test(query) && namesWrite(query)) return 'write'
  // An upstream that does not take the upgrade answers the request.
  if (question.isUpgrade) return namesRead(route, 'WebSocket', question.rest) ? 'read' : 'write'
  if (route.kind === 'git' && query !== '' && asksToPush(query)) return 'write'
  if (isRead(method)) return 'read'
  // An override to GET is believed by some and not by others: no exception for it.
  if (head.methodOverride !== null) return 'write'
  if (route.rules.reads.length > 0 && namesRead(route, method, question.rest)) return 'read'
  return method === 'POST' ? accessOfPost(route, question) : 'write'
}

function accessOfPost({ kind }: Route, { rest, query, head }: AccessQuestion): Need {
  if ((kind !== 'git' && kind !== 'npm') || query !== '' || AMBIGUOUS.test(rest)) return 'write'
  const type = (head.contentType ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (kind === 'npm') return NPM_AUDITS.has(rest) && type === 'application/json' ? 'read' : 'write'
  // A forge's own interface, which takes files of any name.
  if (rest.startsWith('/api/')) return 'write'
  if (type === 'application/x-git-upload-pack-request')
    return rest.endsWith('/git-upload-pack') ? 'read' : 'write'
  if (type !== 'application/vnd.git-lfs+json') return 'write'
  if (rest.endsWith('/info/lfs/locks/verify')) return 'read'
  return rest.endsWith('/info/lfs/objects/batch') ? 'by_body' : 'write'
}

const NPM_AUDITS: ReadonlySet<string> = new Set([
  '/-/npm/v1/security/audits',
  '/-/npm/v1/security/audits/quick',
  '/-/npm/v1/security/advisories/bulk',
])

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

/** `GET …/info/refs?service=git-receive-pack` (gitprotocol-http): the first half of a push, for which servers ask for the right to push. */
function asksToPush(query: string): boolean {
  return /receive[-_]?pack/i.test(decodePercent(query))
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
