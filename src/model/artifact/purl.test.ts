import t from 'tap'
import { purlOf } from './purl.ts'

t.test('a package URL is canonical', (t) => {
  const purl = (type: string, name: string, version = '', qualifiers = ''): string =>
    purlOf(type, { name, version, qualifiers })
  t.equal(purl('npm', 'left-pad', '1.3.0'), 'pkg:npm/left-pad@1.3.0')
  t.equal(purl('npm', '@babel/core'), 'pkg:npm/%40babel/core')
  t.equal(
    purl('deb', 'debian/libstdc++6', '1:12.2~rc1+b2', 'arch=amd64'),
    'pkg:deb/debian/libstdc%2B%2B6@1:12.2~rc1%2Bb2?arch=amd64',
  )
  t.equal(purl('generic', "it's (new)*!", 'v 1'), 'pkg:generic/it%27s%20%28new%29%2A%21@v%201')
  t.equal(purl('generic', 'caf\u00e9\ud800'), 'pkg:generic/caf%C3%A9%EF%BF%BD')
  t.end()
})
