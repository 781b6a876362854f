import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { startAdmin } from '../test/admin.ts'
import { ConsoleFiles } from './console-files.ts'

t.test(
  'the page permits its own files only, without inline script or style, and names nothing outside',
  async (t) => {
    const { ask } = await startAdmin(t)
    const { status, headers, text } = await ask('/')
    t.equal(status, 200)
    t.match(headers['content-type'], /^text\/html/)
    const policy = String(headers['content-security-policy'])
    t.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'/)
    t.notMatch(policy, /unsafe|https?:|\*|sha256/)
    t.equal(headers['cache-control'], 'no-store')
    t.notMatch(text, /https?:\/\/|<style| style=| on\w+="|<script(?![^>]* src="\/assets\/)/)
    t.match(text, /<script[^>]* src="\/assets\/index-[\w-]+\.js"/)
  },
)

t.test('every address of the console gives the page; others are not found', async (t) => {
  const { ask } = await startAdmin(t)
  const page = (await ask('/')).text
  for (const path of [
    '/requests?status=429&since=1h',
    '/tenants/acme',
    '/keys',
    '/system',
    '/completeness',
    '/deliveries',
  ]) {
    const { status, text } = await ask(path)
    t.equal(status, 200, path)
    t.equal(text, page, path)
  }
  for (const path of [
    '/nowhere',
    '/api/nowhere',
    '/api',
    '/requestsx',
    '/assets/',
    '/assets/../index.html',
    '/index.html',
  ]) {
    const { status, headers } = await ask(path)
    t.equal(status, 404, path)
    t.equal(headers['content-type'], 'application/problem+json', path)
  }
})

t.test(
  'files with a digest in their name may be kept for ever, and are packed for who takes it so',
  async (t) => {
    const { port, ask } = await startAdmin(t)
    const [, path = ''] = / src="(\/assets\/[^"]+\.js)"/.exec((await ask('/')).text) ?? []
    const { status, headers, text } = await ask(path)
    t.equal(status, 200)
    t.match(headers['cache-control'], 'immutable')
    t.match(headers['content-type'], /^text\/javascript/)
    t.equal(headers['content-encoding'], undefined)
    t.equal(headers.vary, 'accept-encoding')
    const packed = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { 'accept-encoding': 'br, gzip' },
    })
    t.equal(packed.headers.get('content-encoding'), 'gzip')
    t.equal(await packed.text(), text)
    t.equal(
      (await ask(path, { headers: { 'accept-encoding': 'gzip;q=0' } })).headers['content-encoding'],
      undefined,
    )
    t.equal((await ask(path, { method: 'POST' })).status, 405)
    const head = await ask(path, { method: 'HEAD' })
    t.equal(head.text, '')
    t.equal(Number(head.headers['content-length']), Buffer.byteLength(text))
  },
)

t.test('the page needs no token, and nothing else does without', async (t) => {
  const { ask } = await startAdmin(t, { token: '0123456789abcdef' })
  t.equal((await ask('/requests')).status, 200)
  t.equal((await ask('/api/overview')).status, 401)
  t.equal((await ask('/nowhere')).status, 401)
})

t.test('a console that was not built says so', async (t) => {
  const folder = t.testdir({})
  const page = new ConsoleFiles(folder).find('/')
  t.match(String(page?.plain), 'not built')
  t.equal(String(gunzipSync(page?.zipped ?? '')), String(page?.plain))
})

t.test('files of other types are not given out', async (t) => {
  const folder = t.testdir({ 'index.html': 'page' })
  await mkdir(join(folder, 'assets'))
  await writeFile(join(folder, 'assets/a.map'), 'secret')
  await writeFile(join(folder, 'assets/a.svg'), '<svg/>')
  const files = new ConsoleFiles(folder)
  t.equal(files.find('/assets/a.map'), null)
  t.match(String(files.find('/assets/a.svg')?.plain), 'svg')
})
