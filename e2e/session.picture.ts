import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from './harness/child.ts'
import { startGateway } from './harness/gateway.ts'
import { projectFolder, testFolder } from './harness/product.ts'
import { until, untilTrue } from './harness/wait.ts'

// Draws docs/session.svg, and writes the same text into docs/getting-started.md, from what the demo and its clients
// really print at a terminal, which script(1) of util-linux gives them: make picture

/** Characters in a line of the picture; longer lines go on in the next, as in a terminal. */
const COLUMNS = 126
const CHARACTER_WIDTH = 7
const LINE_HEIGHT = 17
const MARGIN = 16

interface Shown {
  readonly command: string
  readonly output: string
}

void t.test('a session is drawn', async (t) => {
  const home = await testFolder(t)
  const gateway = await startGateway(t, { mode: 'demo', env: { HOME: home } })
  await untilTrue('the lines are printed', async () => /Ctrl-C stops it/.test(gateway.stdout))
  const printed = gateway.stdout.split('\n').map((line) => line.trim())
  const line = (pattern: RegExp): string => {
    const found = printed.find((text) => pattern.test(text))
    if (found === undefined) throw new Error(`no line like ${String(pattern)}`)
    return found
  }
  const env = { HOME: home, TMPDIR: home, npm_config_update_notifier: 'false' }
  const run = async (command: string): Promise<Shown> => {
    const typed = [`stty cols ${COLUMNS}`, line(/^export KEY=/), `${command} 2>/dev/null`].join('\n')
    const { stdout } = await runCommand('script', ['-qec', typed, '/dev/null'], { cwd: gateway.cwd, env })
    const output = stdout.replaceAll('\r', '').trim()
    return { command: asOnDefaultPorts(command), output: asOnDefaultPorts(output) }
  }
  const logs = line(/ logs$/)
  const file = line(/^curl .*hello\.txt/)
  const withoutKey = file.replace(/ -H "[^"]+"/, ' -s').replace('/files/hello.txt', '/npm/lodash')
  const shown = [await run(file), await run(line(/^npm .*install/)), await run(withoutKey)]
  await until('the last entry is stored', async () =>
    (await run(logs)).output.includes('/npm/lodash') ? true : undefined,
  )
  for (const command of [logs, line(/ usage$/), logs.replace(/logs$/, 'audit')])
    shown.push(await run(command))
  for (const { command, output } of shown) t.not(output, '', command)

  const docs = join(projectFolder(), 'docs')
  await writeFile(join(docs, 'session.svg'), picture(shown))
  const page = join(docs, 'getting-started.md')
  const text = shown.map(({ command, output }) => `$ ${command}\n${output}\n`).join('\n')
  const block = `<!-- session:begin -->\n\n\`\`\`\n${text}\`\`\`\n\n<!-- session:end -->`
  const marked = /<!-- session:begin -->[^]*<!-- session:end -->/
  await writeFile(
    page,
    (await readFile(page, 'utf8')).replace(marked, () => block),
  )
})

/** A command or an answer as it is after `make run` in the project's folder. */
function asOnDefaultPorts(text: string): string {
  return text
    .replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:8080')
    .replace(/^node \S*dist\/main\.js/, 'node dist/main.js')
}

/** A dark window with what was typed and what was answered. */
function picture(shown: readonly Shown[]): string {
  const lines = shown.flatMap(({ command, output }) => [
    ...wrapped(`$ ${command}`).map((text) => ({ text, colour: '#7ee787' })),
    ...output.split('\n').flatMap((text) => wrapped(text).map((part) => ({ text: part, colour: '#c9d1d9' }))),
    { text: '', colour: '' },
  ])
  const width = 2 * MARGIN + COLUMNS * CHARACTER_WIDTH
  const height = 2 * MARGIN + (lines.length - 1) * LINE_HEIGHT
  const texts = lines.map(({ text, colour }, i) => {
    const body = text.trimEnd()
    if (body === '') return ''
    const [y, length] = [MARGIN + (i + 0.75) * LINE_HEIGHT, body.length * CHARACTER_WIDTH]
    return `<text x="${MARGIN}" y="${y}" fill="${colour}" textLength="${length}" xml:space="preserve">${escaped(body)}</text>\n`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="11.6">
${texts.join('')}</g>
</svg>
`
}

function wrapped(text: string): string[] {
  return text.match(new RegExp(`.{1,${COLUMNS}}`, 'g')) ?? ['']
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
