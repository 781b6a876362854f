import type { Command } from 'commander'
import type { Config } from '../../config/config.ts'
import { addressBelow } from '../../lib/address-below.ts'
import { didYouMean } from '../../lib/near-name.ts'
import { isWellFormedKey } from '../../model/api-key.ts'
import type { Route } from '../../model/route.ts'
import type { Cli } from '../cli.ts'
import { addConfigFlags, readConfig } from '../configuration.ts'
import { CommandError } from '../errors.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { writeOut } from '../output/output.ts'
import { safeJson } from '../output/text.ts'
import { Problems } from '../problems.ts'
import { CLIENTS } from './clients.ts'
import { KEY_PLACEHOLDER, RecipeError, type ClientRecipe, type Recipe } from './recipe.ts'

const MAX_KEY_INPUT = 4096

interface SetupFlags {
  readonly route?: string
  readonly key?: string
  readonly url?: string
  readonly json?: boolean
}

/** Adds `waybill setup`. */
export function addSetupCommand(program: Command, cli: Cli): void {
  const command = program
    .command('setup <client>')
    .description('print the configuration that makes a client use a route: files, environment, command lines')
    .option('--route <name>', 'the route (required)')
    .option('--key <key>', `an API key to put in, or "-" to read it from stdin (default: ${KEY_PLACEHOLDER})`)
    .option(
      '--url <url>',
      'address of the proxy as this client reaches it (default: publicUrl, else where it listens)',
    )
    .option('--json', 'print one JSON object')
    .addHelpText('after', `\nClients: ${[...CLIENTS.keys()].join(', ')}.`)
  addConfigFlags(command, ['publicUrl', 'listen.host', 'listen.port']).action(
    async (client: string, flags: SetupFlags) => cli.finish(await setup(cli.io, client, flags)),
  )
}

async function setup(io: Io, name: string, flags: SetupFlags): Promise<ExitCode> {
  const problems = new Problems()
  const client = CLIENTS.get(name)
  if (client === undefined)
    problems.add(
      `client: ${JSON.stringify(name.slice(0, 80))} is not one of ${[...CLIENTS.keys()].join(', ')}${didYouMean(name, [...CLIENTS.keys()])}`,
    )
  if (flags.route === undefined) problems.add('--route is required')
  const key = await readKey(io, flags.key, problems)
  problems.throwIfAny()
  const config = readConfig(io, flags)
  const route = findRoute(config, flags.route ?? '', problems)
  const base = readBase(config, flags.url, problems)
  problems.throwIfAny()
  if (route === null || client === undefined || base === null) return 2
  if (!client.kinds.includes(route.kind))
    throw new CommandError(
      `${name} cannot use route ${route.name}, which is of kind ${route.kind}: it needs one of kind ${client.kinds.join(' or ')}`,
    )
  await print(io, { name, route, key, base, client, isJson: flags.json === true })
  return 0
}

/** Not repeated in a message: it is a secret, also when it is mistyped. */
async function readKey(io: Io, given: string | undefined, problems: Problems): Promise<string> {
  if (given === undefined) return KEY_PLACEHOLDER
  const key = given === '-' ? await readLine(io) : given
  if (!isWellFormedKey(key)) problems.add('--key: what was given is not a complete API key')
  return key
}

async function readLine({ stdin }: Io): Promise<string> {
  let text = ''
  for await (const chunk of stdin) {
    text += String(chunk)
    if (text.length > MAX_KEY_INPUT) break
  }
  return text.trim()
}

function findRoute({ routes }: Config, name: string, problems: Problems): Route | null {
  const names = routes.map((route) => route.name)
  const route = routes.find((one) => one.name === name)
  if (route !== undefined) return route
  const known = names.length === 0 ? 'the configuration has no routes' : `it has ${names.join(', ')}`
  problems.add(
    `--route: the configuration has no route ${JSON.stringify(name.slice(0, 80))}: ${known}${didYouMean(name, names)}`,
  )
  return null
}

/** Where the proxy is for clients; a path below it ends in a slash. */
function readBase({ options }: Config, given: string | undefined, problems: Problems): URL | null {
  const text = given ?? (options.publicUrl === '' ? listenerAddress(options) : options.publicUrl)
  const url = URL.canParse(text) ? new URL(text) : null
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== '' ||
    url.search + url.hash !== ''
  ) {
    problems.add('--url: must be an http:// or https:// URL without credentials, query and fragment')
    return null
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

function listenerAddress(options: Config['options']): string {
  const host = options['listen.host']
  const isAny = host === '0.0.0.0' || host === '::'
  const name = isAny ? 'localhost' : host.includes(':') ? `[${host}]` : host
  const scheme = options['listen.tls'].length > 0 ? 'https' : 'http'
  return `${scheme}://${name}:${options['listen.port']}`
}

interface Request {
  readonly name: string
  readonly route: Route
  readonly key: string
  readonly base: URL
  readonly client: ClientRecipe
  readonly isJson: boolean
}

async function print(io: Io, { name, route, key, base, client, isJson }: Request): Promise<void> {
  const url = addressBelow(base, route.path)
  // A wildcard names no host that a client could ask.
  if (route.host !== null && !route.host.startsWith('*.')) url.hostname = route.host
  try {
    const made = client.recipeFor({ route: route.name, url, key })
    if (isJson) await writeOut(io.stdout, `${safeJson({ client: name, url: url.href, ...made }, 2)}\n`)
    else await writeOut(io.stdout, recipeText(made))
  } catch (error) {
    throw error instanceof RecipeError ? new CommandError(error.message, { cause: error }) : error
  }
}

/** The recipe to be read and pasted: everything but the files' contents is a comment or a command. */
function recipeText({ files, environment, commands, examples, notes }: Recipe): string {
  const parts: string[] = []
  for (const { path, content, isSecret } of files)
    parts.push(`# file ${path}${isSecret ? ', mode 0600' : ''}\n${content}`)
  const variables = Object.entries(environment).map(([variable, value]) => `export ${variable}='${value}'\n`)
  if (variables.length > 0) parts.push(`# environment\n${variables.join('')}`)
  if (commands.length > 0) parts.push(`# once\n${commands.join('\n')}\n`)
  if (examples.length > 0) parts.push(`# then\n${examples.join('\n')}\n`)
  if (notes.length > 0) parts.push(notes.map((note) => `# note: ${note}\n`).join(''))
  return parts.join('\n')
}
