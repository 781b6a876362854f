import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const PROGRAM = fileURLToPath(new URL('with-postgres.js', import.meta.url))
const REPORT_AND_WAIT = `
  process.on('SIGTERM', () => process.exit(7))
  console.log(new URL(process.env.WAYBILL_TEST_DATABASE_URL).searchParams.get('host'))
  setInterval(() => {}, 1000)
`

function run(args: string[], url = ''): ReturnType<typeof spawn> {
  return spawn(process.execPath, [PROGRAM, '--', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, WAYBILL_TEST_DATABASE_URL: url },
  })
}

async function firstLine(child: ReturnType<typeof spawn>): Promise<string> {
  if (child.stdout === null) throw new Error('no output')
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  return String(line)
}

t.test('the command gets a database that connects', async (t) => {
  const child = run([
    process.execPath,
    '--input-type=module',
    '-e',
    `import pg from ${JSON.stringify(import.meta.resolve('pg'))}
     const client = new pg.Client(process.env.WAYBILL_TEST_DATABASE_URL)
     await client.connect()
     console.log((await client.query('SELECT current_database() AS name')).rows[0].name)
     await client.end()`,
  ])
  const exited = once(child, 'exit')
  t.equal(await firstLine(child), 'waybill')
  t.strictSame(await exited, [0, null])
})

t.test('signals reach the command, its status is passed on and nothing is left', async (t) => {
  const child = run([process.execPath, '-e', REPORT_AND_WAIT])
  const exited = once(child, 'exit')
  const host = await firstLine(child)
  t.ok(existsSync(host))
  child.kill('SIGTERM')
  t.strictSame(await exited, [7, null])
  t.notOk(existsSync(host))
})

t.test('a database that is given is used', async (t) => {
  const url = 'postgres://somebody@localhost/else?host=/given'
  const child = run([process.execPath, '-e', 'console.log(process.env.WAYBILL_TEST_DATABASE_URL)'], url)
  const exited = once(child, 'exit')
  t.equal(await firstLine(child), url)
  t.strictSame(await exited, [0, null])
})
