import t from 'tap'
import { DOCUMENT_KINDS, ROUTE_KINDS, type RouteKind } from '../model/route.ts'
import type { ChallengeQuestion } from './login/challenge.ts'
import { ECOSYSTEMS } from './kinds.ts'

const ASKED: ChallengeQuestion = {
  sentence: 'No.',
  method: 'GET',
  path: '/r/x',
  base: null,
  service: 'gw',
  hasPublic: false,
  tokenError: null,
}

function challengesOf(kind: RouteKind, changes: Partial<ChallengeQuestion> = {}): string[] {
  const fields = ECOSYSTEMS[kind].challenge({ ...ASKED, ...changes })
  return fields.filter((_, i) => fields[i - 1] === 'WWW-Authenticate')
}

t.test('each kind but integration is an ecosystem of its own', (t) => {
  for (const kind of ROUTE_KINDS) {
    t.equal(ECOSYSTEMS[kind].name, kind === 'integration' ? '' : kind, kind)
  }
  t.end()
})

t.test('maven and git are asked for Basic first', (t) => {
  for (const kind of ['maven', 'git', 'pypi'] as const)
    t.match(challengesOf(kind), [/^Basic realm="Waybill", charset="UTF-8", Bearer realm="Waybill"$/], kind)
  t.end()
})

t.test('clients of registries are asked for a token first, and for Basic where no public route is', (t) => {
  const path = '/v2/images/tags/app/manifests/1'
  const asked = { path, base: 'https://gw.example:8443', service: 'gw.example:8443' }
  const bearer =
    'Bearer realm="https://gw.example:8443/v2/token",service="gw.example:8443",scope="repository:images/tags/app:pull"'
  const basic = 'Basic realm="Waybill", charset="UTF-8"'
  t.same(challengesOf('oci', asked), [bearer, basic])
  t.same(challengesOf('oci', { ...asked, hasPublic: true }), [bearer])
  t.same(challengesOf('oci', { ...asked, base: null, hasPublic: true }), [basic], 'nobody said where')
  t.match(challengesOf('oci', { ...asked, method: 'PUT' }), [/app:pull,push"$/, basic])
  t.match(challengesOf('oci', { ...asked, tokenError: 'invalid_token' }), [/,error="invalid_token"$/, basic])
  for (const odd of ['/v2/', '/v2/a"b/manifests/1', '/v2/A/blobs/x', '/v2/_catalog', '/v2/images/x'])
    t.notMatch(challengesOf('oci', { ...asked, path: odd })[0], 'scope', odd)
  t.end()
})

t.test('tokens of npm stand in paths of its API, and only there', (t) => {
  const shown = (path: string): string => ECOSYSTEMS.npm.maskPath(path, '***')
  t.equal(shown('/npm/-/npm/v1/tokens/token/1a2b3c'), '/npm/-/npm/v1/tokens/token/***')
  t.equal(shown('/npm/-/user/token/1a2b3c'), '/npm/-/user/token/***')
  t.equal(shown('/npm/token/-/token-1.0.0.tgz'), '/npm/token/-/token-1.0.0.tgz')
  t.equal(ECOSYSTEMS.pypi.maskPath('/x/-/user/token/1a2b3c', '***'), '/x/-/user/token/1a2b3c')
  t.end()
})

t.test('kinds with documents are those of which a configuration without publicUrl is warned', (t) => {
  const withDocuments = ROUTE_KINDS.filter((kind) => ECOSYSTEMS[kind].documents.length > 0)
  t.same(new Set(withDocuments), DOCUMENT_KINDS)
  t.end()
})
