import t from 'tap'
import { isSemver, lastSegment, segmentAt, segmentsOf, startOfVersion, withoutEnding } from './paths.ts'

t.test('segments of a path', async (t) => {
  t.same(segmentsOf('/', 3), [])
  t.same(segmentsOf('/a', 3), ['a'])
  t.same(segmentsOf('/a/b/', 3), ['a', 'b'])
  t.same(segmentsOf('//a', 3), ['', 'a'])
  t.same(segmentsOf('/a//', 3), ['a', ''])
  t.same(segmentsOf('/a/b/c/', 3), ['a', 'b', 'c'])
  t.equal(segmentsOf('/a/b/c/d', 3), null)
  t.equal(lastSegment('/a/b.tgz'), 'b.tgz')
  t.equal(lastSegment('/a/'), '')
  t.equal(segmentAt('/a/b/c', 3), 'b')
  t.equal(segmentAt('/a/b', 3), 'b')
})

t.test('endings of file names', async (t) => {
  t.equal(withoutEnding('a.tar.gz', ['.tar.gz', '.gz']), 'a')
  t.equal(withoutEnding('a.TAR.GZ', ['.tar.gz', '.gz']), 'a')
  t.equal(withoutEnding('a.zip', ['.tar.gz', '.gz']), null)
  t.equal(withoutEnding('.gz', ['.gz']), null, 'a name is left')
})

t.test('semantic versions', async (t) => {
  for (const text of [
    '1.2.3',
    '0.0.0',
    '1.2.3-rc.1',
    '1.2.3-alpha-2.1',
    '1.2.3+b.5',
    '1.2.3-a+git-1',
    '01.2.3',
  ])
    t.ok(isSemver(text), text)
  for (const text of ['', '1.2', '1.2.3.4', '1.2.x', 'v1.2.3', '1.2.3-', '1.2.3+', '1.2.3-a..b', '1.2.3+a+b'])
    t.notOk(isSemver(text), text)
  for (const text of ['1.2.3 ', '1.2.3_4', '1.2.3-\u0661', '1.2.3-é', '^1.2.3', '1..3', '1.2.3a', '1.2.3-.1'])
    t.notOk(isSemver(text), text)
})

t.test('where the version begins in a file name', async (t) => {
  const split = (text: string, mayHaveV = false): string => {
    const start = startOfVersion(text, mayHaveV)
    return start === -1 ? '' : `${text.slice(0, start - 1)} ${text.slice(start)}`
  }
  t.equal(split('sha-1-0.10.1'), 'sha-1 0.10.1')
  t.equal(split('istio-1-20-1.20.2'), 'istio-1-20 1.20.2')
  t.equal(split('calico-3.27-3.27.0'), 'calico-3.27 3.27.0')
  t.equal(split('a-1.2.3-alpha-2.1'), 'a 1.2.3-alpha-2.1')
  t.equal(split('a-1.2.3-4.5.6'), 'a 1.2.3-4.5.6', 'the first')
  t.equal(split('a-1.2.3_x-4.5.6'), 'a-1.2.3_x 4.5.6', 'the first that makes a version of all of the rest')
  t.equal(split('lab-v-v2.0.0', true), 'lab-v v2.0.0')
  t.equal(split('lab-v-v2.0.0'), '')
  t.equal(split('a'), '')
  t.equal(split('-1.2.3'), '', 'a name is in front')
})
