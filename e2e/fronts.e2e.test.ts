import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { assertHandsOver, nginxArguments, nginxHttp } from './harness/front.ts'
import { testFolder } from './harness/product.ts'
import { findProgram } from './harness/program.ts'

/** The block of this language in the documents. */
function blockOf(language: string): string {
  const text = readFileSync('docs/listener.md', 'utf8')
  const block = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(text)?.[1]
  if (block === undefined) throw new Error(`no block for ${language}`)
  return block
}

/** Writes what the front is run with, and gives its arguments. */
type Configure = (block: string, folder: string) => Promise<readonly string[]>

const FRONTS: Readonly<Record<string, { listen: Readonly<Record<string, unknown>>; configure: Configure }>> =
  {
    nginx: {
      listen: {},
      configure: (block, folder) => nginxArguments(folder, nginxHttp(folder, block)),
    },
    haproxy: {
      listen: { proxyProtocol: true },
      configure: async (block, folder) => {
        const file = join(folder, 'haproxy.cfg')
        await writeFile(file, block)
        return ['-db', '-f', file]
      },
    },
  }

for (const [program, { listen, configure }] of Object.entries(FRONTS)) {
  const isThere = (await findProgram(program)) !== null
  const skip = isThere ? false : `${program} is not installed: its block in docs/listener.md did not run`
  t.test(`R18: the block for ${program} in the documents hands the client over`, { skip }, async (t) => {
    await assertHandsOver(t, {
      program,
      folder: await testFolder(t),
      listen,
      isTls: false,
      configure: ({ folder, port, gateway }) => {
        const block = blockOf(program).replace('127.0.0.1:8080', gateway).replace(/8081/, String(port))
        return configure(block, folder)
      },
    })
  })
}
