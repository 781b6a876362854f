import t, { type Test } from 'tap'
import { assertExact, shortOrLong } from '../harness/chaos.ts'
import { request } from '../harness/client.ts'
import type { TestDatabase } from '../harness/database.ts'
import { openWire } from '../harness/failure-wire.ts'
import { FAST, forwardedScene, type Scene } from '../harness/scene.ts'
import { untilTrue } from '../harness/wait.ts'

const ROUNDS = shortOrLong(3, 50)

/** Requests of which a byte could upset whoever writes them down; HEAD stands for Host, key and the end of the connection. */
const ODD: Readonly<Record<string, { readonly text: string; readonly status: number }>> = {
  'NUL in the path, encoded': { text: 'GET /files/ok?a=%00 HTTP/1.1\r\nHEAD\r\n', status: 200 },
  'NUL in a field': { text: 'GET /files/ok HTTP/1.1\r\nUser-Agent: a\0b\r\nHEAD\r\n', status: 400 },
  'invalid UTF-8 in a field': {
    text: 'GET /files/ok HTTP/1.1\r\nUser-Agent: \xff\xfe\xc3\x28 \xed\xa0\x80\r\nHEAD\r\n',
    status: 200,
  },
  'invalid UTF-8 in the path, encoded': {
    text: 'GET /files/ok?%ff%fe%ed%a0%80 HTTP/1.1\r\nHEAD\r\n',
    status: 200,
  },
  'the end of a COPY': { text: 'GET /files/ok?\\. HTTP/1.1\r\nUser-Agent: \\.\r\nHEAD\r\n', status: 200 },
  'escapes of COPY': { text: 'GET /files/ok HTTP/1.1\r\nUser-Agent: \\N\t\\000\\\r\nHEAD\r\n', status: 200 },
  'dates beyond all calendars': {
    text: 'GET /files/ok HTTP/1.1\r\nDate: Sat, 01 Jan 294277 00:00:00 GMT\r\nIf-Modified-Since: -infinity\r\nHEAD\r\n',
    status: 200,
  },
}

/** Paths of rows that Postgres refuses, with the SQLSTATE that it gives and the expression that makes it do so. */
const POISON: Readonly<Record<string, { readonly code: string; readonly sql: string }>> = {
  '/files/nul': { code: '54000', sql: `length(chr(0))` },
  '/files/utf8': { code: '22021', sql: `length(convert_from('\\xff'::bytea, 'UTF8'))` },
  '/files/date': { code: '22008', sql: `'2026-01-01'::timestamptz + interval '300000 years' > now()` },
}
const CHECKED = { path: '/files/checked', code: '23514' }

/** Makes Postgres refuse the rows of these paths as it would if such a value had come to it, and those of one path by a CHECK. */
async function poison(db: TestDatabase): Promise<void> {
  const cases = Object.entries(POISON).map(([path, { sql }]) => `WHEN '${path}' THEN PERFORM ${sql};`)
  await db.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN CASE NEW.path ${cases.join('\n')} ELSE NULL; END CASE; RETURN NEW; END $$`)
  await db.query('CREATE TRIGGER refuse BEFORE INSERT ON access_log FOR EACH ROW EXECUTE FUNCTION refuse()')
  await db.query(
    `ALTER TABLE access_log ADD CONSTRAINT no_poison CHECK (path <> '${CHECKED.path}') NOT VALID`,
  )
}

/** Sends all odd requests. Returns how many the upstream answers and how many the gateway refuses. */
async function sendOdd(t: Test, { gateway, key }: Scene): Promise<{ forwarded: number; refused: number }> {
  const counts = { forwarded: 0, refused: 0 }
  for (const [what, { text, status }] of Object.entries(ODD)) {
    const head = `Host: w\r\nX-Api-Key: ${key}\r\nConnection: close\r\n`
    const wire = await openWire(t, gateway.proxyUrl, text.replace('HEAD\r\n', `${head}\r\n`))
    t.match(await wire.closed(), new RegExp(`^HTTP/1\\.1 ${status} `), what)
    counts[status === 200 ? 'forwarded' : 'refused']++
  }
  return counts
}

for (const isSilent of [false, true]) {
  const state = isSilent ? 'out of reach, and replayed afterwards' : 'healthy'
  t.test(`rows of all kinds, some of which Postgres refuses, with the database ${state}`, async (t) => {
    const scene = await forwardedScene(t, { config: { accessLog: FAST } })
    const { db, gateway, forwarder, key } = scene
    await poison(db)
    if (isSilent) forwarder.mode = 'swallow'
    const paths = [...Object.keys(POISON), CHECKED.path]
    let forwarded = 0
    let refused = 0
    for (let round = 0; round < ROUNDS; round++) {
      const odd = await sendOdd(t, scene)
      forwarded += odd.forwarded
      refused += odd.refused
      for (const path of paths) {
        // The scripted upstream knows no such file.
        t.equal((await request(`${gateway.proxyUrl}${path}`, { key })).status, 404)
        forwarded++
      }
    }
    if (isSilent) {
      const isSpilled = async (): Promise<boolean> => {
        const { accepted, spilled } = (await gateway.overview()).accessLog
        return spilled === accepted
      }
      await untilTrue('all is on disk', isSpilled)
      forwarder.mode = 'forward'
    }
    await assertExact(t, scene, { forwarded, refused }, { quarantined: ROUNDS * paths.length })
    const rows = await db.query<{ code: string; n: number }>(
      'SELECT code, count(*)::int AS n FROM quarantine GROUP BY 1 ORDER BY 1',
    )
    const codes = [...Object.values(POISON).map(({ code }) => code), CHECKED.code].sort()
    const expected = codes.map((code) => ({ code, n: ROUNDS }))
    t.strictSame(rows, expected, 'each refused row is in quarantine, with the reason')
  })
}
