import fc from 'fast-check'
import t from 'tap'
import { personOf, type OidcSettings } from './oidc.ts'

const SETTINGS: OidcSettings = {
  issuer: 'https://id.example.test',
  clientId: 'waybill',
  clientSecret: 'secret',
  scopes: 'openid',
  publicUrl: 'https://waybill.example.test',
  label: 'Example',
  rolesClaim: 'groups',
  roles: { admins: 'admin', 'Not admins': 'viewer', readers: 'viewer' },
  nameClaim: 'email',
  sessionMs: 1000,
}

t.test('a subject is kept as it is, or names nobody', (t) => {
  const subjectOf = (sub: unknown) => personOf({ sub }, SETTINGS)?.subject ?? null
  for (const sub of ['24400320', 'x'.repeat(255), 'a b', 'é😀']) t.equal(subjectOf(sub), sub)
  for (const sub of ['', 'x'.repeat(256), '\u0001', 'a\u200b', ' a', 'a\n', '\ud800', 7, undefined])
    t.equal(subjectOf(sub), null, JSON.stringify(sub))
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (sub) => [sub, null].includes(subjectOf(sub))),
  )
  t.end()
})

t.test('a name is cut to 200 characters, and is the subject where there is none', (t) => {
  const nameOf = (email: unknown) => personOf({ sub: 'x'.repeat(255), email }, SETTINGS)?.name
  t.equal(nameOf('Ann\u202e Lee '), 'Ann Lee')
  t.equal(nameOf('y'.repeat(300)), 'y'.repeat(200))
  t.equal(nameOf(`${'y'.repeat(199)}😀`), 'y'.repeat(199), 'without half a character')
  for (const none of [undefined, '', '\u0001', 7]) t.equal(nameOf(none), 'x'.repeat(200))
  t.end()
})

t.test('a text is one value of the claim, but for scope', (t) => {
  const valuesOf = (rolesClaim: string, claim: unknown) =>
    personOf({ sub: 'ann', [rolesClaim]: claim }, { ...SETTINGS, rolesClaim })?.values
  t.same(valuesOf('groups', 'admins'), ['admins'])
  t.same(valuesOf('groups', 'Not admins'), ['Not admins'])
  t.same(valuesOf('groups', 'readers admins'), [])
  t.same(valuesOf('groups', ['readers', 'not admins', 7, 'readers']), ['readers'])
  t.same(valuesOf('scope', 'openid readers admins readers'), ['readers', 'admins'])
  t.end()
})
