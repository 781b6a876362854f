import t from 'tap'
import type { Route, RouteKind } from '../model/route.ts'
import { DEFAULT_RULES, type ReadRule } from '../model/route-rules.ts'
import { accessOf } from './access.ts'
import { isLfsDownload } from './git.ts'
import { readHead } from '../http/request-head.ts'
import { testRoute } from '../test/gateway.ts'

const UPLOAD_PACK = ['Content-Type', 'application/x-git-upload-pack-request']
const LFS = ['Content-Type', 'application/vnd.git-lfs+json; charset=utf-8']

function need(
  kind: RouteKind,
  request: string,
  fields: readonly string[] = [],
  reads: readonly ReadRule[] = [],
): string {
  const route: Route = testRoute(1, { kind, rules: { ...DEFAULT_RULES, reads } })
  const [method = '', target = ''] = request.split(' ')
  const [rest = '', query] = target.split('?')
  const head = readHead(fields)
  const isUpgrade = fields.includes('websocket')
  return accessOf(route, { method, rest, query: query === undefined ? '' : `?${query}`, head, isUpgrade })
}

t.test('E2: only a real upload-pack request reads by POST', async (t) => {
  t.equal(need('git', 'POST /team/repo.git/git-upload-pack', UPLOAD_PACK), 'read')
  t.equal(need('git', 'POST /My%20Team/_git/repo/git-upload-pack', UPLOAD_PACK), 'read')
  t.equal(need('git', 'POST /git-upload-pack', UPLOAD_PACK), 'read', 'a route to one repository')
  for (const [request, fields] of [
    ['POST /team/repo.git/git-upload-pack', []],
    ['POST /team/repo.git/git-upload-pack', ['Content-Type', 'application/json']],
    ['POST /team/repo.git/git-upload-pack', [...UPLOAD_PACK, 'Content-Type', 'application/json']],
    ['POST /team/repo.git/git-upload-pack', [...UPLOAD_PACK, 'X-HTTP-Method-Override', 'PUT']],
    ['POST /team/repo.git/git-upload-pack', [...UPLOAD_PACK, 'X-HTTP-Method-Override', 'GET']],
    ['POST /team/repo.git/git-upload-pack?_method=delete', UPLOAD_PACK],
    ['POST /team/repo.git/git-receive-pack', UPLOAD_PACK],
    ['POST /api/v1/repos/team/repo/contents/git-upload-pack', UPLOAD_PACK],
    ['POST /team/repo.git/x%2fgit-upload-pack', UPLOAD_PACK],
    ['POST /team/repo.git/git-receive-pack%3f/git-upload-pack', UPLOAD_PACK],
    ['POST /team/repo.git;x/git-upload-pack', UPLOAD_PACK],
    ['PUT /team/repo.git/git-upload-pack', UPLOAD_PACK],
    ['POST /team/repo.git/Xgit-upload-pack', UPLOAD_PACK],
  ] as const)
    t.equal(need('git', request, fields), 'write', `${request} ${fields.join(' ')}`)
  t.equal(need('generic', 'POST /team/repo.git/git-upload-pack', UPLOAD_PACK), 'write')
  const json = ['Content-Type', 'application/json']
  t.equal(need('npm', 'POST /-/npm/v1/security/advisories/bulk', json), 'read')
  t.equal(need('npm', 'POST /-/npm/v1/security/audits/quick', json), 'read')
  t.equal(need('npm', 'PUT /-/npm/v1/security/audits', json), 'write')
  t.equal(need('npm', 'POST /x/-/npm/v1/security/audits', json), 'write', 'not below a package')
  t.equal(need('npm', 'POST /-/npm/v1/security/other', json), 'write')
  for (const method of ['GET', 'HEAD', 'OPTIONS']) t.equal(need('oci', `${method} /`), 'read')
  for (const method of ['PUT', 'DELETE', 'PATCH', 'PROPFIND']) t.equal(need('oci', `${method} /`), 'write')
})

t.test('E2: a request that names another method is that, if it writes', async (t) => {
  for (const name of [
    'X-HTTP-Method-Override',
    'x-http-method',
    'X-Method-Override',
    'X_HTTP_Method_Override',
    'X-HTTP_Method-Override',
    'X.HTTP.Method',
  ]) {
    for (const method of ['DELETE', 'delete', ' PUT', 'PATCH', 'anything', ''])
      t.equal(need('generic', 'GET /x', [name, method]), 'write', `${name}: ${method}`)
    t.equal(need('generic', 'GET /x', [name, 'GET']), 'read', name)
    t.equal(need('generic', 'GET /x', [name, 'get', name, 'DELETE']), 'write', 'two of them')
  }
  for (const query of [
    '_method=DELETE',
    'a=1&_method=put',
    'a=1;_method=put',
    '%5fmethod=patch',
    '_method=%50UT',
    'X-HTTP-Method-Override=DELETE',
    'method=delete',
    'httpMethod=POST',
  ])
    t.equal(need('generic', `GET /x?${query}`), 'write', query)
  for (const query of ['method=card', 'q=put', 'payment_method=post', '_method=GET', 'a=%20'])
    t.equal(need('generic', `GET /x?${query}`), 'read', query)
})

t.test('E2: an upgrade writes, unless the route says otherwise', async (t) => {
  const fields = ['Upgrade', 'websocket']
  t.equal(need('generic', 'GET /x', fields), 'write')
  t.equal(need('generic', 'GET /x', fields, [{ method: 'WebSocket', path: null }]), 'read')
  t.equal(need('generic', 'GET /x', fields, [{ method: 'GET', path: null }]), 'write')
  t.equal(need('generic', 'GET /x', fields, [{ method: 'WebSocket', path: '/y' }]), 'write')
})

t.test('E2: a parameter that can only name a method writes unless it names one that reads', async (t) => {
  for (const query of [
    '_method=PURGE',
    '_method=anything',
    '_method=+DELETE',
    '_method[]=DELETE',
    '%2emethod=MKCALENDAR',
    '+method=put',
    '_%6Dethod=%50URGE&x=%ff',
    'x-http-method=ACL',
    'X-Method-Override=REBIND',
    '$httpMethod=COPY',
    'method=PURGE',
  ])
    t.equal(need('generic', `GET /x?${query}`), 'write', query)
  for (const query of ['_method=get', '_method=HEAD&method=list', 'method=anything', 'xmethod=put'])
    t.equal(need('generic', `GET /x?${query}`), 'read', query)
})

t.test(
  'E2: a WebSocket handshake that names another method is that, also where WebSockets read',
  async (t) => {
    const fields = ['Upgrade', 'websocket']
    const reads = [{ method: 'WebSocket', path: null }]
    t.equal(need('generic', 'GET /x', fields, reads), 'read')
    t.equal(need('generic', 'GET /x', [...fields, 'X-HTTP-Method-Override', 'DELETE'], reads), 'write')
    t.equal(need('generic', 'GET /x', [...fields, 'X_HTTP_Method', 'put'], reads), 'write')
    t.equal(need('generic', 'GET /x?_method=delete', fields, reads), 'write')
    t.equal(need('generic', 'GET /x?_method=get', fields, reads), 'read')
  },
)

t.test('E2: the first request of a git push needs the right to push', async (t) => {
  for (const query of [
    'service=git-receive-pack',
    'service=git%2Dreceive-pack',
    'service=git-rec%65ive%2dpack&x=%ff',
    'a=1&service=git-receive-pack',
  ])
    t.equal(need('git', `GET /team/repo.git/info/refs?${query}`), 'write', query)
  t.equal(need('git', 'GET /team/repo.git/info/refs?service=git-upload-pack'), 'read')
  t.equal(need('git', 'GET /team/repo.git/info/refs'), 'read')
  t.equal(need('generic', 'GET /team/repo.git/info/refs?service=git-receive-pack'), 'read')
})

t.test('R24: reads by the choice of the route', async (t) => {
  const reads = [
    { method: 'PROPFIND', path: null },
    { method: 'POST', path: '/*/_search' },
    { method: 'POST', path: '/query/**' },
  ]
  for (const request of [
    'PROPFIND /a',
    'POST /index/_search',
    'POST /query/a/b',
    'POST /index/_search?size=1',
  ])
    t.equal(need('generic', request, [], reads), 'read', request)
  for (const request of [
    'REPORT /a',
    'POST /_search',
    'POST /a/b/_search',
    'POST /query',
    'POST /query/%2e%2e/x',
    'POST /query/a;b',
    'POST /x%2f_search',
    'PUT /index/_search',
    'POST /index/_search?_method=delete',
  ])
    t.equal(need('generic', request, [], reads), 'write', request)
  t.equal(need('generic', 'POST /index/_search', ['X-HTTP-Method', 'PUT'], reads), 'write')
})

t.test('R24: the body of a Git LFS batch says what it is', async (t) => {
  t.equal(need('git', 'POST /team/repo.git/info/lfs/objects/batch', LFS), 'by_body')
  t.equal(need('git', 'POST /team/repo.git/info/lfs/locks/verify', LFS), 'read')
  t.equal(need('git', 'POST /team/repo.git/info/lfs/locks', LFS), 'write')
  t.equal(need('git', 'POST /team/repo.git/info/lfs/objects/batch'), 'write')
  const is = (text: string): boolean => isLfsDownload(Buffer.from(text))
  t.ok(is('{"operation":"download","objects":[{"oid":"a","size":1}]}'))
  t.ok(is('{ "ref": {"name":"refs/heads/operation"}, "operation" : "download" }'))
  for (const body of [
    '{"operation":"upload"}',
    '{"operation":"upload","operation":"download"}',
    '{"Operation":"upload","operation":"download"}',
    '{"\\u006fperation":"upload","operation":"download"}',
    '{"operation":"DOWNLOAD"}',
    '{"a":{"operation":"download"}}',
    '["operation"]',
    '{"operation":"download"',
    '',
  ])
    t.notOk(is(body), body)
})
