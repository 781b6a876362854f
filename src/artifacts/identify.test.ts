import t from 'tap'
import { belowRoute, identify } from './identify.ts'

t.test('a path is told below its route', async (t) => {
  const npm = { path: '/npm/' }
  t.equal(belowRoute(npm, '/npm/left-pad?x=1'), '/left-pad?x=1')
  t.equal(belowRoute(npm, '/npm/'), '/')
  t.equal(belowRoute(npm, '/npm'), '/')
  t.equal(belowRoute(npm, '/npm?write=true'), '/?write=true')
  t.equal(belowRoute({ path: '/' }, '/npm/x'), '/npm/x')
})

t.test('a path that was cut is about nothing', async (t) => {
  const route = { kind: 'npm', upstream: { origin: 'https://registry.example.test' } } as const
  t.equal(identify(route, 'GET', '/left-pad/-/left-pa…+12').kind, 'other')
})
