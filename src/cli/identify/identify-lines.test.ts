import { Readable } from 'node:stream'
import t from 'tap'
import { testIo } from '../../test/cli-io.ts'
import { identifyLines } from './identify-lines.ts'

const NPM = { kind: 'npm', upstream: { origin: '' } } as const

async function answers(
  input: readonly (string | Buffer)[],
  route: Parameters<typeof identifyLines>[1] = NPM,
) {
  const io = testIo([], { stdin: Readable.from(input) })
  const code = await identifyLines(io, route)
  const lines = io.written.stdout.split('\n')
  t.equal(lines.pop(), '')
  return { code, lines: lines.map((line): unknown => JSON.parse(line)), stderr: io.written.stderr }
}

t.test('each line has its answer, wherever the input is cut', async (t) => {
  const text = 'GET\t/left-pad/-/left-pad-1.3.0.tgz\r\nGET\t/@babel%2fcore\nGET\t/-/ping'
  const expected = [
    { kind: 'artifact', purl: 'pkg:npm/left-pad@1.3.0', file: 'left-pad-1.3.0.tgz' },
    { kind: 'index', purl: 'pkg:npm/%40babel/core', file: null },
    { kind: 'other', purl: null, file: null },
  ]
  for (const input of [[text], text.split(/(?<=.)/s), [Buffer.from(text)]])
    t.same(await answers(input), { code: 0, lines: expected, stderr: '' })
  t.same(await answers([]), { code: 0, lines: [], stderr: '' })
})

t.test('a malformed line is named, and costs only itself', async (t) => {
  const long = `GET\t/${'x'.repeat(70_000)}`
  const { code, lines, stderr } = await answers([
    'GET /x\n',
    '\n',
    'GET\tx\n',
    'G T\t/x\n',
    'GET\t/x\ty\n',
    long.slice(0, 66_000),
    `${long.slice(66_000)}\n`,
    'GET\t/x\n',
  ])
  t.equal(code, 1)
  t.equal(lines.length, 7)
  t.ok(lines.slice(0, 6).every((line) => Object.keys(line as object).join() === 'error'))
  t.match(lines[6], { purl: 'pkg:npm/x' })
  t.match(
    stderr,
    /^line 1: .*no tab\nline 2: .*\nline 3: .*\nline 4: .*method.*\nline 5: .*two tabs\nline 6: .*longer/,
  )
})

t.test('a kind of no ecosystem knows nothing, and an origin is that of the packages', async (t) => {
  const integration = { kind: 'integration', upstream: { origin: '' } } as const
  t.same((await answers(['GET\t/x\n'], integration)).lines, [{ kind: null, purl: null, file: null }])
  const apt = { kind: 'apt', packageOrigin: 'ubuntu', upstream: { origin: '' } } as const
  const { lines } = await answers(['GET\t/pool/main/c/curl/curl_8.5.0-2_amd64.deb\n'], apt)
  t.match(lines, [{ purl: 'pkg:deb/ubuntu/curl@8.5.0-2?arch=amd64' }])
})
