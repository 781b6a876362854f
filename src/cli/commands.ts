import type { Command } from 'commander'
import type { Cli } from './cli.ts'

type AddCommand = (program: Command, cli: Cli) => void

/** All commands but those that run the gateway, in the order of the help, each in a module of its own. */
const COMMANDS: ReadonlyMap<string, () => Promise<AddCommand>> = new Map(
  Object.entries({
    migrate: async () => (await import('./commands/migrate.ts')).addMigrateCommand,
    tenants: async () => (await import('./commands/tenants.ts')).addTenantCommands,
    keys: async () => (await import('./commands/keys.ts')).addKeyCommands,
    tokens: async () => (await import('./commands/access/admin-tokens.ts')).addTokenCommands,
    sessions: async () => (await import('./commands/access/sessions.ts')).addSessionCommands,
    rules: async () => (await import('./commands/rules/rules.ts')).addRuleCommands,
    // Adds `unblock` as well.
    block: async () => (await import('./commands/rules/block.ts')).addBlockCommands,
    logs: async () => (await import('./commands/logs.ts')).addLogsCommand,
    who: async () => (await import('./commands/who/who.ts')).addWhoCommand,
    identify: async () => (await import('./identify/identify.ts')).addIdentifyCommand,
    usage: async () => (await import('./commands/usage.ts')).addUsageCommand,
    audit: async () => (await import('./commands/audit.ts')).addAuditCommand,
    'admin-log': async () => (await import('./commands/admin-log/admin-log.ts')).addAdminLogCommand,
    quarantine: async () => (await import('./commands/quarantine.ts')).addQuarantineCommands,
    deliveries: async () => (await import('./commands/deliveries/deliveries.ts')).addDeliveryCommands,
    retention: async () => (await import('./commands/retention.ts')).addRetentionCommands,
    // Adds `restore` as well.
    backup: async () => (await import('./commands/backup.ts')).addBackupCommands,
    events: async () => (await import('./commands/events/events.ts')).addEventCommands,
    config: async () => (await import('./commands/config-commands.ts')).addConfigCommands,
    setup: async () => (await import('./setup/setup.ts')).addSetupCommand,
  }),
)

/** Commands that another one's module adds. */
const SECONDS: Readonly<Record<string, string>> = { restore: 'backup', unblock: 'block' }

/** Adds the command that is named, or all when it is none of these: a command need not wait for the modules of the others. */
export async function addCommands(program: Command, cli: Cli, named: string | undefined): Promise<void> {
  const load = COMMANDS.get(SECONDS[named ?? ''] ?? named ?? '')
  for (const add of load === undefined ? COMMANDS.values() : [load]) (await add())(program, cli)
}
