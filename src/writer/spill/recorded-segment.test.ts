import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { entryOf, INSTANCE, OlderFormEncoder, sealedBatch } from '../../test/writer-parts.ts'
import { type Batch, cutRow } from '../batch/batch.ts'
import { RowEncoder } from '../batch/encode.ts'
import { Spill } from './spill.ts'

const OTHER = '0190a1b2-c3d4-7e5f-8a9b-ffffffffffff'

/** A segment of format version 1 as the gateway wrote it on 2026-11-27: the batches of `batches()`, base64. */
const RECORDED_1 = [
  '//5XQgEAAABzAwAAdwEAAAIAAAAFFEFxgeav73siaW5zdGFuY2UiOiIwMTkwYTFiMi1jM2Q0LTdlNWYtOGE5Yi0wYzFkMmUzZjRh',
  'NWIiLCJudW1iZXIiOjEsImRyb3BwZWQiOnsiYWNtZSI6eyJjaGFubmVsX2Z1bGwiOjMsInJlamVjdGVkIjoxfX0sImFjY2VwdGVk',
  'U2VxIjozLCJidWZmZXJlZCI6NCwiaXNGaW5hbCI6ZmFsc2UsInJhbmdlIjp7ImZpcnN0U2VxIjoxLCJsYXN0U2VxIjozLCJmaXJz',
  'dFN0YXJ0ZWRBdE1zIjoxNzk1MjYyNDAwMDAwLCJsYXN0U3RhcnRlZEF0TXMiOjE3OTUzMDU1OTk5OTl9LCJzZWFsZWRCeXRlcyI6',
  'NTU4LCJkYXlzIjpbIjIwMjYtMTEtMjEiXSwibWludXRlcyI6WzI5OTIxMDQwLDI5OTIxNzU5XSwicXVhcmFudGluZWQiOlt7InRl',
  'bmFudCI6Imdsb2JleCIsInNlcSI6MiwidGV4dCI6IjAxYTFmZGZhLTQ2MDAtNzAwMC04MDAwLTA4MWQyZTNmNGE1Ylx0MjAyNi0x',
  'MS0yMSAxMjowMDowMC4wMDArMDBcdGdsb2JleFx0XFxOXHRcXE5cdFxcTlx0R0VUXHRcXE5cdC9wb2lzb25cdDIwMFx0aW50ZXJu',
  'YWxcdFxcTlx0MFx0MFx0MFx0XFxOXHRcXE5cdFxcTlx0XFxOXHRcXE5cdFxcTlx0XFxOXHRcXE5cdFxcTlx0MDE5MGExYjItYzNk',
  'NC03ZTVmLThhOWItMGMxZDJlM2Y0YTViXHQyIiwiY29kZSI6IjIyMDIxIiwiZGV0YWlsIjoiaW52YWxpZCBieXRlIHNlcXVlbmNl',
  'LCBjb2x1bW4gcGF0aCJ9XSwidGVuYW50cyI6W1siYVx1MDAwMMOpXHVkODAwIiwxXSxbImdsb2JleCIsMF0sWyJfX3Byb3RvX18i',
  'LDFdXSwicm93c0RpZ2VzdCI6IjMyMWQ2NzZiNzQ2ZmYzNTliMzUyNDhlNGZiYzdjOWY3ODQ1Zjc2OTI5YzA3NzExMjIyOTU3Zjc2',
  'NTllMjI3YTYiLCJkaWdlc3QiOiI5MDc2NmY1NDQ4YzJkOWJhZjIzNDlkYTIzMjc3M2Y1YjZkYjBkNzAxYWI4MjNiMWM1ZGEyNTdj',
  'OGRhYjY3MzliIn0wMWExZmRmYS00NjAwLTcwMDAtODAwMC0wNDFkMmUzZjRhNWIJMjAyNi0xMS0yMSAxMjowMDowMC4wMDArMDAJ',
  'Ye+/vcOp77+9CVxOCVxOCVxOCUdFVAlcTgkvYVx0YlxcYwkyMDAJZm9yd2FyZGVkCVxOCTAJMAkwCVxOCVxOCTEwLjEuMi4zCVxO',
  'CVxOCVxOCVxOCVxOCVxOCTAxOTBhMWIyLWMzZDQtN2U1Zi04YTliLTBjMWQyZTNmNGE1YgkxCjAxYTIwMDhkLTczZmYtNzAwMC04',
  'MDAwLTBjMWQyZTNmNGE1YgkyMDI2LTExLTIxIDIzOjU5OjU5Ljk5OSswMAlfX3Byb3RvX18JXE4JXE4JXE4JR0VUCVxOCS9jCTIw',
  'MAlpbnRlcm5hbAlcTgkwCTAJMAlcTglcTglcTglcTglcTglcTglcTglcTglcTgkwMTkwYTFiMi1jM2Q0LTdlNWYtOGE5Yi0wYzFk',
  'MmUzZjRhNWIJMwr//ldCAQAAAGcBAAAAAAAAAAAAAA4AMVVFhFR5eyJpbnN0YW5jZSI6IjAxOTBhMWIyLWMzZDQtN2U1Zi04YTli',
  'LTBjMWQyZTNmNGE1YiIsIm51bWJlciI6MiwiZHJvcHBlZCI6bnVsbCwiYWNjZXB0ZWRTZXEiOjMsImJ1ZmZlcmVkIjowLCJpc0Zp',
  'bmFsIjp0cnVlLCJyYW5nZSI6bnVsbCwic2VhbGVkQnl0ZXMiOjAsImRheXMiOltdLCJtaW51dGVzIjpbXSwicXVhcmFudGluZWQi',
  'OltdLCJ0ZW5hbnRzIjpbXSwicm93c0RpZ2VzdCI6ImUzYjBjNDQyOThmYzFjMTQ5YWZiZjRjODk5NmZiOTI0MjdhZTQxZTQ2NDli',
  'OTM0Y2E0OTU5OTFiNzg1MmI4NTUiLCJkaWdlc3QiOiI2YTc4NTc2Nzk2ZmY1ZDQxYmFkYjFlN2JjNzZlMjQ0ZGUzZmQxMTQ1ZTEw',
  'MDNlNDRmMjM5NThjYTMyMmQ5ZGMyIn0=',
].join('')

/** The same of format version 2, whose rows are of the second form. */
const RECORDED_2 = [
  '//5XQgIAAACDAwAAjQEAAAIAAAAuxuribp3ssHsiaW5zdGFuY2UiOiIwMTkwYTFiMi1jM2Q0LTdlNWYtOGE5Yi0wYzFkMmUzZjRh',
  'NWIiLCJudW1iZXIiOjEsImRyb3BwZWQiOnsiYWNtZSI6eyJjaGFubmVsX2Z1bGwiOjMsInJlamVjdGVkIjoxfX0sImFjY2VwdGVk',
  'U2VxIjozLCJidWZmZXJlZCI6NCwiaXNGaW5hbCI6ZmFsc2UsInJhbmdlIjp7ImZpcnN0U2VxIjoxLCJsYXN0U2VxIjozLCJmaXJz',
  'dFN0YXJ0ZWRBdE1zIjoxNzk1MjYyNDAwMDAwLCJsYXN0U3RhcnRlZEF0TXMiOjE3OTUzMDU1OTk5OTl9LCJzZWFsZWRCeXRlcyI6',
  'NTkxLCJkYXlzIjpbIjIwMjYtMTEtMjEiXSwibWludXRlcyI6WzI5OTIxMDQwLDI5OTIxNzU5XSwicXVhcmFudGluZWQiOlt7InRl',
  'bmFudCI6Imdsb2JleCIsInNlcSI6MiwidGV4dCI6IjAxYTFmZGZhLTQ2MDAtNzAwMC04MDAwLTA4MWQyZTNmNGE1Ylx0MjAyNi0x',
  'MS0yMSAxMjowMDowMC4wMDArMDBcdGdsb2JleFx0XFxOXHRcXE5cdFxcTlx0R0VUXHRcXE5cdC9wb2lzb25cdDIwMFx0aW50ZXJu',
  'YWxcdFxcTlx0MFx0MFx0MFx0XFxOXHRcXE5cdFxcTlx0XFxOXHRcXE5cdFxcTlx0XFxOXHRcXE5cdFxcTlx0bm9uZVx0XFxOXHRc',
  'XE5cdDAxOTBhMWIyLWMzZDQtN2U1Zi04YTliLTBjMWQyZTNmNGE1Ylx0MiIsImNvZGUiOiIyMjAyMSIsImRldGFpbCI6ImludmFs',
  'aWQgYnl0ZSBzZXF1ZW5jZSwgY29sdW1uIHBhdGgifV0sInRlbmFudHMiOltbImFcdTAwMDDDqVx1ZDgwMCIsMV0sWyJnbG9iZXgi',
  'LDBdLFsiX19wcm90b19fIiwxXV0sInJvd3NEaWdlc3QiOiI2MjQ3NWVlOWQ2YTNkOWNhYzI0ZDA0ZmU0ZTdjMzE2NmRjZjAwNmNh',
  'M2E1OTExNGY4NjEwNTg4NmVjZjU4MjMzIiwiZGlnZXN0IjoiMmQ2ZmIyNWYwYjJiYWJiNWQyNjEwZDg2ZDNjOTMzNWMxNWIyMDM0',
  'OWM5Y2UwOTU0OTc0MWI0MDNlZTk0MjMyNiJ9MDFhMWZkZmEtNDYwMC03MDAwLTgwMDAtMDQxZDJlM2Y0YTViCTIwMjYtMTEtMjEg',
  'MTI6MDA6MDAuMDAwKzAwCWHvv73Dqe+/vQlcTglcTglcTglHRVQJXE4JL2FcdGJcXGMJMjAwCWZvcndhcmRlZAlcTgkwCTAJMAlc',
  'TglcTgkxMC4xLjIuMwlcTglcTglcTglcTglcTglcTglub25lCVxOCVxOCTAxOTBhMWIyLWMzZDQtN2U1Zi04YTliLTBjMWQyZTNm',
  'NGE1YgkxCjAxYTIwMDhkLTczZmYtNzAwMC04MDAwLTBjMWQyZTNmNGE1YgkyMDI2LTExLTIxIDIzOjU5OjU5Ljk5OSswMAlfX3By',
  'b3RvX18JXE4JXE4JXE4JR0VUCVxOCS9jCTIwMAlpbnRlcm5hbAlcTgkwCTAJMAlcTglcTglcTglcTglcTglcTglcTglcTglcTglu',
  'b25lCVxOCVxOCTAxOTBhMWIyLWMzZDQtN2U1Zi04YTliLTBjMWQyZTNmNGE1YgkzCv/+V0ICAAAAZwEAAAAAAAAAAAAATHTjDe7n',
  'pmJ7Imluc3RhbmNlIjoiMDE5MGExYjItYzNkNC03ZTVmLThhOWItMGMxZDJlM2Y0YTViIiwibnVtYmVyIjoyLCJkcm9wcGVkIjpu',
  'dWxsLCJhY2NlcHRlZFNlcSI6MywiYnVmZmVyZWQiOjAsImlzRmluYWwiOnRydWUsInJhbmdlIjpudWxsLCJzZWFsZWRCeXRlcyI6',
  'MCwiZGF5cyI6W10sIm1pbnV0ZXMiOltdLCJxdWFyYW50aW5lZCI6W10sInRlbmFudHMiOltdLCJyb3dzRGlnZXN0IjoiZTNiMGM0',
  'NDI5OGZjMWMxNDlhZmJmNGM4OTk2ZmI5MjQyN2FlNDFlNDY0OWI5MzRjYTQ5NTk5MWI3ODUyYjg1NSIsImRpZ2VzdCI6IjA0ZjEz',
  'NGNiODRmZmM3YTFiZTJjMTllMDAxM2EyYWUwOGU5NjUxZjdhMmM3OGI4YzlkYTJmMjhjNWZiMjgzMWIifQ==',
].join('')

/** The same of format version 3, whose rows are of the third form. */
const RECORDED_3 = [
  '//5XQgMAAACTAwAAowEAAAIAAAAsm/VYNLEv6nsiaW5zdGFuY2UiOiIwMTkwYTFiMi1jM2Q0LTdlNWYtOGE5Yi0wYzFkMmUzZjRh',
  'NWIiLCJudW1iZXIiOjEsImRyb3BwZWQiOnsiYWNtZSI6eyJjaGFubmVsX2Z1bGwiOjMsInJlamVjdGVkIjoxfX0sImFjY2VwdGVk',
  'U2VxIjozLCJidWZmZXJlZCI6NCwiaXNGaW5hbCI6ZmFsc2UsInJhbmdlIjp7ImZpcnN0U2VxIjoxLCJsYXN0U2VxIjozLCJmaXJz',
  'dFN0YXJ0ZWRBdE1zIjoxNzk1MjYyNDAwMDAwLCJsYXN0U3RhcnRlZEF0TXMiOjE3OTUzMDU1OTk5OTl9LCJzZWFsZWRCeXRlcyI6',
  'NjI0LCJkYXlzIjpbIjIwMjYtMTEtMjEiXSwibWludXRlcyI6WzI5OTIxMDQwLDI5OTIxNzU5XSwicXVhcmFudGluZWQiOlt7InRl',
  'bmFudCI6Imdsb2JleCIsInNlcSI6MiwidGV4dCI6IjAxYTFmZGZhLTQ2MDAtNzAwMC04MDAwLTA4MWQyZTNmNGE1Ylx0MjAyNi0x',
  'MS0yMSAxMjowMDowMC4wMDArMDBcdGdsb2JleFx0XFxOXHRcXE5cdFxcTlx0R0VUXHRcXE5cdC9wb2lzb25cdDIwMFx0aW50ZXJu',
  'YWxcdFxcTlx0MFx0MFx0MFx0XFxOXHRcXE5cdFxcTlx0XFxOXHRcXE5cdFxcTlx0XFxOXHRcXE5cdFxcTlx0bm9uZVx0XFxOXHRc',
  'XE5cdFxcTlx0bm9uZVx0XFxOXHQwMTkwYTFiMi1jM2Q0LTdlNWYtOGE5Yi0wYzFkMmUzZjRhNWJcdDIiLCJjb2RlIjoiMjIwMjEi',
  'LCJkZXRhaWwiOiJpbnZhbGlkIGJ5dGUgc2VxdWVuY2UsIGNvbHVtbiBwYXRoIn1dLCJ0ZW5hbnRzIjpbWyJhXHUwMDAww6lcdWQ4',
  'MDAiLDFdLFsiZ2xvYmV4IiwwXSxbIl9fcHJvdG9fXyIsMV1dLCJyb3dzRGlnZXN0IjoiZTkzYTViMmNiNDIzYmE2YTYwZTA1ODVi',
  'YjdiYzVlZmM4YzQ1ZmQ5YTk5MTE1ZGI5YTIzZTlhODFiMTlhNDU4MCIsImRpZ2VzdCI6IjA2YjMyZTYzZTRlOWI5YTZkZGI4MzRj',
  'ODk5MTIzMTFlNjcwYThhYzRlZjU3ZDU1YzVlNTVhZmVhMDRlNmI3MTkifTAxYTFmZGZhLTQ2MDAtNzAwMC04MDAwLTA0MWQyZTNm',
  'NGE1YgkyMDI2LTExLTIxIDEyOjAwOjAwLjAwMCswMAlh77+9w6nvv70JXE4JXE4JXE4JR0VUCVxOCS9hXHRiXFxjCTIwMAlmb3J3',
  'YXJkZWQJXE4JMAkwCTAJXE4JXE4JMTAuMS4yLjMJXE4JXE4JXE4JXE4JXE4JXE4Jbm9uZQlcTglcTglcTglub25lCVxOCTAxOTBh',
  'MWIyLWMzZDQtN2U1Zi04YTliLTBjMWQyZTNmNGE1YgkxCjAxYTIwMDhkLTczZmYtNzAwMC04MDAwLTBjMWQyZTNmNGE1YgkyMDI2',
  'LTExLTIxIDIzOjU5OjU5Ljk5OSswMAlfX3Byb3RvX18JXE4JXE4JXE4JR0VUCVxOCS9jCTIwMAlpbnRlcm5hbAlcTgkwCTAJMAlc',
  'TglcTglcTglcTglcTglcTglcTglcTglcTglub25lCVxOCVxOCVxOCW5vbmUJXE4JMDE5MGExYjItYzNkNC03ZTVmLThhOWItMGMx',
  'ZDJlM2Y0YTViCTMK//5XQgMAAABnAQAAAAAAAAAAAAAx3c+MHhqz63siaW5zdGFuY2UiOiIwMTkwYTFiMi1jM2Q0LTdlNWYtOGE5',
  'Yi0wYzFkMmUzZjRhNWIiLCJudW1iZXIiOjIsImRyb3BwZWQiOm51bGwsImFjY2VwdGVkU2VxIjozLCJidWZmZXJlZCI6MCwiaXNG',
  'aW5hbCI6dHJ1ZSwicmFuZ2UiOm51bGwsInNlYWxlZEJ5dGVzIjowLCJkYXlzIjpbXSwibWludXRlcyI6W10sInF1YXJhbnRpbmVk',
  'IjpbXSwidGVuYW50cyI6W10sInJvd3NEaWdlc3QiOiJlM2IwYzQ0Mjk4ZmMxYzE0OWFmYmY0Yzg5OTZmYjkyNDI3YWU0MWU0NjQ5',
  'YjkzNGNhNDk1OTkxYjc4NTJiODU1IiwiZGlnZXN0IjoiYmNjNjdiNWFjYjE0ZmQyMTNlNTA1YzM0ZTRjOTEyZWY5ZTU3ZTU5MjJi',
  'YTliYzgzNTFmY2QyYTZmNjg3NzM3YiJ9',
].join('')

const FIRST_FORM = new OlderFormEncoder(INSTANCE, 1)
const SECOND_FORM = new OlderFormEncoder(INSTANCE, 2)

/** One with a row in quarantine, unusual tenants and drops; and an empty last one. */
function batches(encoder: RowEncoder = new RowEncoder(INSTANCE)): Batch[] {
  const entries = [
    entryOf({ path: '/a\tb\\c', tenant: 'a\0é\ud800', clientIp: '10.1.2.3', outcome: 'forwarded' }),
    entryOf({ path: '/poison', tenant: 'globex' }),
    entryOf({ path: '/c', tenant: '__proto__', startedAtMs: Date.UTC(2026, 10, 21, 23, 59, 59, 999) }),
  ]
  const dropped = { acme: { channel_full: 3, rejected: 1 } }
  const sealed = sealedBatch(entries, { number: 1, buffered: 4, dropped }, encoder)
  const cut = cutRow(sealed, 2, { code: '22021', detail: 'invalid byte sequence, column path' })
  if (cut === null) throw new Error('no second row')
  const last = { number: 2, isFinal: true, acceptedSeq: 3, previousDigest: sealed.digest }
  return [cut.batch, sealedBatch([], last, encoder)]
}

async function spillIn(t: Test, directory: string, instance: string): Promise<Spill> {
  const tell = (): void => {}
  const logger = { info: tell, warn: tell, error: tell }
  const spill = new Spill({ directory, instance, maxBytes: 1e8, syncIntervalMs: 100, logger })
  t.teardown(() => spill.close())
  return spill
}

async function freshFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-recorded-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function read(t: Test, recorded: string): Promise<Batch[]> {
  const folder = await freshFolder(t)
  await mkdir(join(folder, OTHER))
  await writeFile(join(folder, OTHER, '1.seg'), Buffer.from(recorded, 'base64'))
  const spill = await spillIn(t, folder, INSTANCE)
  await spill.start()
  const found = await spill.oldest({ entries: 1e6, bytes: 1e9 })
  t.match(spill.stats, { pendingEntries: 2, damaged: 0, torn: 0 })
  return found.map(({ frame }) => frame.batch)
}

t.test('a segment of format version 1, with rows of the first form, is read as it was written', async (t) => {
  t.strictSame(await read(t, RECORDED_1), batches(FIRST_FORM))
})

t.test(
  'a segment of format version 2, with rows of the second form, is read as it was written',
  async (t) => {
    t.strictSame(await read(t, RECORDED_2), batches(SECOND_FORM))
  },
)

t.test('a segment of format version 3 is read as it was written', async (t) => {
  t.strictSame(await read(t, RECORDED_3), batches())
})

t.test('a segment is written as format version 3 says, byte for byte', async (t) => {
  const folder = await freshFolder(t)
  const spill = await spillIn(t, folder, INSTANCE)
  for (const batch of batches()) await spill.append(batch)
  t.equal((await readFile(join(folder, INSTANCE, '1.seg'))).toString('base64'), RECORDED_3)
})
