import type { Command } from 'commander'
import { ConfigError, type Config } from '../../config/config.ts'
import { OPTION_NAMES } from '../../config/options.ts'
import { SecretFiles } from '../../config/secret-files.ts'
import type { Cli } from '../cli.ts'
import { addConfigFlags, readConfig, type Flags } from '../configuration.ts'
import type { Io } from '../output/io.ts'

const ROUTE_EXAMPLE = `routes: there is none, so there is nothing to serve; a route in waybill.yaml looks like this:
      routes:
        - name: npm
          kind: npm
          path: /npm/
          upstream: https://repo.example.com/repository/npm-all/`

/** Adds `waybill serve` and `waybill demo`. */
export function addServeCommands(program: Command, cli: Cli): void {
  addConfigFlags(program.command('serve').description('run the gateway')).action(async (flags: Flags) => {
    const secrets = new SecretFiles()
    cli.finish(
      await cli.serve({
        ...surroundings(cli.io),
        mode: 'serve',
        loadConfig: () => readServeConfig(cli.io, flags, secrets),
      }),
    )
  })
  const demo = program
    .command('demo')
    .description('run the gateway with sample upstreams, a tenant and a key, on an embedded database')
    .option('--port <value>', 'the same as --listen-port')
    .option('--traffic', 'send some requests a second to it, so that the console has something to show')
  addConfigFlags(demo, OPTION_NAMES, 'none').action(async (flags: Flags) =>
    cli.finish(
      await cli.serve({
        ...surroundings(cli.io),
        mode: 'demo',
        hasTraffic: (flags as { traffic?: boolean }).traffic === true,
        loadConfig: () => readDemoConfig(cli.io, flags),
      }),
    ),
  )
}

/**
 * The configuration of `serve`, read anew at each call, with `secrets` to remember what files held; a gateway without routes is a mistake,
 * not a wish.
 */
export function readServeConfig(io: Io, flags: Flags, secrets = new SecretFiles()): Config {
  const config = readConfig(io, flags, { secrets })
  if (config.routes.length === 0) throw new ConfigError([ROUTE_EXAMPLE])
  return config
}

/** The configuration of `demo`: it brings its own routes, so only a file that was named is read, not one that lies here. */
export function readDemoConfig(io: Io, flags: Flags): Config {
  const { port, config: file, listenPort } = flags as { port?: string; config?: string; listenPort?: string }
  const merged = listenPort === undefined && port !== undefined ? { ...flags, listenPort: port } : flags
  return readConfig(io, merged, file === undefined ? { file: null } : {})
}

function surroundings(io: Io): Pick<Io, 'stdout' | 'env' | 'isTty' | 'onSignal' | 'onCrash'> {
  const { stdout, env, isTty } = io
  return {
    stdout,
    env,
    isTty,
    onSignal: (signal, listener) => io.onSignal(signal, listener),
    onCrash: (listener) => io.onCrash(listener),
  }
}
