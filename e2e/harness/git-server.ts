import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Test } from 'tap'
import { plainEnv, runCommand } from './child.ts'
import { testFolder } from './product.ts'
import { startUpstream, type TestUpstream } from './upstream.ts'

const MAX_HEAD_BYTES = 65_536

/** Identity and settings of the git client, so that nobody's own settings matter, and it never asks a terminal. */
export const GIT_ENV = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Test',
  GIT_AUTHOR_EMAIL: 'test@example.com',
  GIT_COMMITTER_NAME: 'Test',
  GIT_COMMITTER_EMAIL: 'test@example.com',
} as const

/** Runs git in a folder with a home of its own; rejects unless it exits with 0. */
export async function git(cwd: string, ...args: readonly string[]): Promise<string> {
  const finished = await tryGit(cwd, ...args)
  if (finished.code !== 0) throw new Error(`git ${args.join(' ')}: ${finished.stderr}`)
  return finished.stdout.trim()
}

/** As `git`, for what may fail. */
export function tryGit(cwd: string, ...args: readonly string[]): ReturnType<typeof runCommand> {
  return runCommand('git', args, { cwd, env: { ...GIT_ENV, HOME: cwd }, timeoutMs: 20_000 })
}

/** Starts a real smart HTTP git server, with an empty bare repository at `<url>repo.git` that anybody may push to. */
export async function startGitServer(t: Test): Promise<TestUpstream & { readonly repository: string }> {
  const root = await testFolder(t)
  const repository = await makeRepository(root)
  const handler = (req: IncomingMessage, res: ServerResponse, url: URL): Promise<void> =>
    runBackend(root, req, res, url)
  const upstream = await startUpstream(t, Object.fromEntries(GIT_PATHS.map((path) => [path, handler])))
  return Object.assign(upstream, { repository })
}

/** What git asks for of `repo.git`. */
export const GIT_PATHS = ['/repo.git/info/refs', '/repo.git/git-upload-pack', '/repo.git/git-receive-pack']

/** Makes an empty bare repository `repo.git` in a folder, to which anybody may push. Returns its own folder. */
export async function makeRepository(root: string): Promise<string> {
  const repository = join(root, 'repo.git')
  await mkdir(repository)
  await git(repository, 'init', '--bare', '--initial-branch=main')
  await git(repository, 'config', 'http.receivepack', 'true')
  return repository
}

/** Bridges one request to git's CGI program (RFC 3875). */
export async function runBackend(
  root: string,
  req: IncomingMessage,
  res: ServerResponse,
  url: URL,
): Promise<void> {
  const child = spawn('git', ['http-backend'], {
    env: plainEnv({
      ...GIT_ENV,
      HOME: root,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: req.method ?? '',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: req.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: req.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(req.headers['git-protocol'] ?? ''),
      REMOTE_ADDR: '127.0.0.1',
    }),
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  res.once('close', () => child.kill())
  const fed = pipeline(req, child.stdin)
  fed.catch(() => {})
  const rest = await writeHead(child.stdout, res)
  res.write(rest)
  await pipeline(child.stdout, res)
}

/** Reads the CGI head, writes it as an HTTP one, and returns what came after it. */
async function writeHead(stream: Readable, res: ServerResponse): Promise<Buffer> {
  let head = Buffer.alloc(0)
  for (;;) {
    const chunk = stream.read() as Buffer | null
    if (chunk === null) {
      if (stream.readableEnded || head.length > MAX_HEAD_BYTES) throw new Error('no CGI head')
      await new Promise((resolve) => stream.once('readable', resolve))
      continue
    }
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) continue
    let status = 200
    for (const line of head.toString('latin1', 0, end).split('\r\n')) {
      const [name = '', value = ''] = line.split(/: (.*)/)
      if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10)
      else res.setHeader(name, value)
    }
    res.writeHead(status)
    return head.subarray(end + 4)
  }
}
