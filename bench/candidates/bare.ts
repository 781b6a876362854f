import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Candidate, Running, Surroundings } from '../harness/candidate.ts'
import { has } from '../harness/machine.ts'
import { ROOT, SOURCES } from '../harness/paths.ts'
import { freePort, waitForPort } from '../harness/ports.ts'
import { spawnPinned } from '../harness/process.ts'

type Command = readonly [string, ...string[]]

/** A candidate that only forwards: prepared, then started with the port that it shall listen on. */
function bare(options: {
  readonly name: string
  readonly what: string
  readonly missing: () => string | null
  readonly command: (port: number, surroundings: Surroundings) => Promise<Command> | Command
}): Candidate {
  const { name, what, missing, command } = options
  const start = async (surroundings: Surroundings): Promise<Running> => {
    const port = await freePort()
    const { placement, folder } = surroundings
    const process = spawnPinned(placement.candidate, await command(port, surroundings), {
      cwd: folder,
      // Caddy and Go keep state there.
      env: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    })
    await waitForPort(port, process)
    return { port, pid: process.pid, keys: [], log: null, stop: () => process.stop() }
  }
  return { name, what, missing, start }
}

const needs =
  (program: string, debianPackage = program) =>
  (): string | null =>
    has(program) ? null : `${program} (Debian: ${debianPackage})`

/** The upstream itself: what load and upstream cost without anything between them. */
export const direct: Candidate = {
  name: 'direct',
  what: 'the upstream without a proxy: the floor of every latency',
  missing: () => null,
  start: async ({ upstreamPort }) => ({
    port: upstreamPort,
    pid: null,
    keys: [],
    log: null,
    stop: async () => {},
  }),
}

export const nginx = bare({
  name: 'nginx',
  what: 'proxy_pass, upstream keep-alive, one worker',
  missing: needs('nginx'),
  command: async (port, { folder, upstreamPort }) => {
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (each) => `${each}_temp_path ${folder}/${each};`,
    )
    await writeFile(
      join(folder, 'nginx.conf'),
      `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 32768; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; client_max_body_size 0;
  ${paths.join(' ')}
  upstream up { server 127.0.0.1:${upstreamPort}; keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 1h; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; }
  }
}
`,
    )
    return ['nginx', '-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf')]
  },
})

export const haproxy = bare({
  name: 'haproxy',
  what: 'mode http, one thread, connections to the upstream shared',
  missing: needs('haproxy'),
  command: async (port, { folder, upstreamPort }) => {
    await writeFile(
      join(folder, 'haproxy.cfg'),
      `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  http-reuse always
frontend in
  bind 127.0.0.1:${port} backlog 4096
  default_backend up
backend up
  server up 127.0.0.1:${upstreamPort} pool-max-conn -1
`,
    )
    return ['haproxy', '-db', '-f', join(folder, 'haproxy.cfg')]
  },
})

export const caddy = bare({
  name: 'caddy',
  what: 'reverse_proxy, no access log',
  missing: needs('caddy'),
  command: async (port, { folder, upstreamPort }) => {
    await writeFile(
      join(folder, 'Caddyfile'),
      `{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
http://127.0.0.1:${port}, http://artifacts.example.com:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${upstreamPort} {
    transport http {
      keepalive 1h
      keepalive_idle_conns 2048
      keepalive_idle_conns_per_host 2048
    }
  }
}
`,
    )
    return ['caddy', 'run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile']
  },
})

function reverseProxyOfGo(name: string, what: string, ...flags: readonly string[]): Candidate {
  const command = async (port: number, { upstreamPort }: Surroundings): Promise<Command> => {
    const cache = join(ROOT, '.cache', 'bench')
    await mkdir(cache, { recursive: true })
    const program = join(cache, 'go-reverse-proxy')
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: cache,
      GOCACHE: join(cache, 'go'),
      GOFLAGS: '-mod=mod',
    }
    execFileSync('go', ['build', '-o', program, '.'], { cwd: join(SOURCES, 'go'), env, stdio: 'inherit' })
    return [program, ...flags, String(port), `http://127.0.0.1:${upstreamPort}`]
  }
  return bare({ name, what, missing: needs('go', 'golang-go'), command })
}

export const goReverseProxy = reverseProxyOfGo(
  'go',
  'httputil.ReverseProxy as the standard library gives it: a new buffer of 32 KiB for each response',
)
export const goReverseProxyWithPool = reverseProxyOfGo(
  'go-buffer-pool',
  'the same with ReverseProxy.BufferPool: buffers of 32 KiB from a sync.Pool',
  '-buffer-pool',
)

function library(name: string, file: string, what: string): Candidate {
  const folder = [join(SOURCES, 'node_modules', name), join(ROOT, 'node_modules', name)]
  return bare({
    name,
    what,
    missing: () => (folder.some((each) => existsSync(each)) ? null : `${name} (npm ci --prefix bench)`),
    command: (port, { upstreamPort }) => [
      process.execPath,
      join(SOURCES, 'servers', file),
      String(port),
      `http://127.0.0.1:${upstreamPort}`,
    ],
  })
}

export const httpProxy = library('http-proxy', 'http-proxy.mjs', 'with a keep-alive agent, forwarding only')
export const httpProxy3 = library(
  'http-proxy-3',
  'http-proxy-3.mjs',
  'with a keep-alive agent, forwarding only',
)
export const httpxy = library('httpxy', 'httpxy.mjs', 'forwarding only')
export const fastifyHttpProxy = library(
  '@fastify/http-proxy',
  'fastify-http-proxy.mjs',
  'forwarding only, with undici',
)
