import type { Command } from 'commander'
import { randomUUID } from 'node:crypto'
import { receiverName } from '../../../model/events/event.ts'
import { sendEvent } from '../../../serve/control-plane/events/send.ts'
import type { Cli } from '../../cli.ts'
import { addConfigFlags, readConfig, type Flags } from '../../configuration.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { writeOut } from '../../output/output.ts'

/** Adds `waybill events test`. */
export function addEventCommands(program: Command, cli: Cli): void {
  const events = program.command('events').description('events that are sent to receivers (option events)')
  const test = events
    .command('test')
    .description('send each receiver an event of the type events.test, and say what it answers')
  addConfigFlags(test, ['events']).action(async (flags: Flags) => cli.finish(await testEvents(cli.io, flags)))
}

async function testEvents(io: Io, flags: Flags): Promise<ExitCode> {
  const { options } = readConfig(io, flags, { ignoreRoutes: true })
  const receivers = options.events
  if (receivers.length === 0) {
    await writeOut(io.stdout, 'there are no receivers (option events)\n')
    return 1
  }
  const event = { id: `events.test:${randomUUID()}`, type: 'events.test', at: new Date(), data: {} } as const
  const results = await Promise.all(
    receivers.map(async (one) => ({ one, result: await sendEvent(one, event) })),
  )
  const lines = results.map(({ one, result }) => {
    const said = result.kind === 'failed' ? result.reason : `status ${result.status}`
    return `${result.kind === 'taken' ? 'taken' : 'NOT TAKEN'}  ${receiverName(one)}  ${said}\n`
  })
  await writeOut(io.stdout, lines.join(''))
  return results.every(({ result }) => result.kind === 'taken') ? 0 : 1
}
