import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import t from 'tap'
import { buildProgram } from './program.ts'
import { projectFolder } from '../version.ts'
import { testIo } from '../test/cli-io.ts'

const SNAPSHOT = join(projectFolder(), 'src/cli/help.txt')

function helpOf(command: Command): string {
  const own = command.helpInformation()
  return [own, ...command.commands.filter((c) => c.name() !== 'help').map(helpOf)].join(`${'='.repeat(80)}\n`)
}

// After a wanted change: WAYBILL_UPDATE_SNAPSHOT=1 node dist/cli/help.test.js, and read the difference.
t.test('--help of every command is as it was reviewed', async (t) => {
  const serve = (): Promise<number> => Promise.resolve(0)
  const program = await buildProgram({ io: testIo([]), serve, finish: () => {} })
  const help = helpOf(program)
  if (process.env['WAYBILL_UPDATE_SNAPSHOT'] === '1') writeFileSync(SNAPSHOT, help)
  t.equal(help, readFileSync(SNAPSHOT, 'utf8'))
})
