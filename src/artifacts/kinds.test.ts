import t from 'tap'
import { DOCUMENT_KINDS, ROUTE_KINDS } from '../model/route.ts'
import { ECOSYSTEMS } from './kinds.ts'

t.test('each kind but integration is an ecosystem of its own', (t) => {
  for (const kind of ROUTE_KINDS) {
    t.equal(ECOSYSTEMS[kind].name, kind === 'integration' ? '' : kind, kind)
  }
  t.end()
})

t.test('docker, maven and git are asked for Basic first', (t) => {
  for (const kind of ['oci', 'maven', 'git'] as const)
    t.match(ECOSYSTEMS[kind].challenge('No.'), /^Basic realm=/, kind)
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
