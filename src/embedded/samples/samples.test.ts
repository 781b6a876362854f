import t from 'tap'
import { startSamples } from './samples.ts'

t.test('starts the three upstreams and closes them once', async (t) => {
  const samples = await startSamples()
  t.teardown(() => samples.close())
  const urls = [samples.npmUrl, samples.filesUrl, samples.echoUrl]
  for (const url of urls) t.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/)
  t.equal((await fetch(`${samples.npmUrl}waybill-hello`)).status, 200)
  t.equal((await fetch(`${samples.filesUrl}hello.txt`)).status, 200)
  t.equal((await fetch(`${samples.echoUrl}hook`, { method: 'POST', body: 'hi' })).status, 200)

  const closing = samples.close()
  t.equal(samples.close(), closing)
  await closing
  for (const url of urls) await t.rejects(fetch(url))
})

t.test('rejects when the host cannot be bound', async (t) => {
  await t.rejects(startSamples({ host: '192.0.2.1' }), { code: 'EADDRNOTAVAIL' })
})
