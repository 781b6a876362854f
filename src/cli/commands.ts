import type { Command } from 'commander'
import { addAuditCommand } from './commands/audit.ts'
import { addBackupCommands } from './commands/backup.ts'
import type { Cli } from './cli.ts'
import { addConfigCommands } from './commands/config-commands.ts'
import { addKeyCommands } from './commands/keys.ts'
import { addIdentifyCommand } from './identify/identify.ts'
import { addLogsCommand } from './commands/logs.ts'
import { addMigrateCommand } from './commands/migrate.ts'
import { addQuarantineCommands } from './commands/quarantine.ts'
import { addRetentionCommands } from './commands/retention.ts'
import { addTenantCommands } from './commands/tenants.ts'
import { addSetupCommand } from './setup/setup.ts'
import { addUsageCommand } from './commands/usage.ts'
import { addWhoCommand } from './commands/who/who.ts'

/** Adds all commands but those that run the gateway. */
export function addCommands(program: Command, cli: Cli): void {
  addMigrateCommand(program, cli)
  addTenantCommands(program, cli)
  addKeyCommands(program, cli)
  addLogsCommand(program, cli)
  addWhoCommand(program, cli)
  addIdentifyCommand(program, cli)
  addUsageCommand(program, cli)
  addAuditCommand(program, cli)
  addQuarantineCommands(program, cli)
  addRetentionCommands(program, cli)
  addBackupCommands(program, cli)
  addConfigCommands(program, cli)
  addSetupCommand(program, cli)
}
