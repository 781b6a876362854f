import type { Command } from 'commander'
import { addAuditCommand } from './audit.ts'
import { addBackupCommands } from './backup.ts'
import type { Cli } from './cli.ts'
import { addConfigCommands } from './config-commands.ts'
import { addKeyCommands } from './keys.ts'
import { addLogsCommand } from './logs.ts'
import { addMigrateCommand } from './migrate.ts'
import { addQuarantineCommands } from './quarantine.ts'
import { addRetentionCommands } from './retention.ts'
import { addTenantCommands } from './tenants.ts'
import { addUsageCommand } from './usage.ts'

/** Adds all commands but those that run the gateway. */
export function addCommands(program: Command, cli: Cli): void {
  addMigrateCommand(program, cli)
  addTenantCommands(program, cli)
  addKeyCommands(program, cli)
  addLogsCommand(program, cli)
  addUsageCommand(program, cli)
  addAuditCommand(program, cli)
  addQuarantineCommands(program, cli)
  addRetentionCommands(program, cli)
  addBackupCommands(program, cli)
  addConfigCommands(program, cli)
}
