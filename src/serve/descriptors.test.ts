import t from 'tap'
import { connectionsFor, descriptorNotice, readLimit } from './descriptors.ts'

t.test('F9: the limit of descriptors bounds the connections, with a reserve for all else', async (t) => {
  const limits =
    'Limit  Soft Limit  Hard Limit  Units\nMax open files            256                  4096      files\n'
  t.equal(readLimit(limits), 256)
  t.equal(readLimit('Max open files   unlimited   unlimited  files\n'), null)
  t.equal(readLimit(''), null)
  t.equal(connectionsFor(256), 96)
  t.equal(connectionsFor(20), 8)
  t.equal(connectionsFor(null), Infinity)
  t.match(descriptorNotice(16_384, 96, 256), /16384.*256.*96/)
})
