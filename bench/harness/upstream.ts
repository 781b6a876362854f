import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { has } from './machine.ts'
import { freePort, waitForPort } from './ports.ts'
import { spawnPinned, type Spawned } from './process.ts'

export const DOWNLOAD_BYTES = 256 * 1024 * 1024

/** What all candidates forward to. It counts what it is asked, apart from the load generator and from any log. */
export class Upstream {
  readonly port: number
  readonly what: string
  readonly #processes: readonly Spawned[]
  readonly #counts: readonly (() => Promise<number>)[]

  private constructor(options: {
    port: number
    what: string
    processes: readonly Spawned[]
    counts: readonly (() => Promise<number>)[]
  }) {
    this.port = options.port
    this.what = options.what
    this.#processes = options.processes
    this.#counts = options.counts
  }

  /**
   * nginx where it is there: `return` of a constant costs 8 µs and a file goes out by sendfile, so that the candidate is the
   * slowest part; uploads it hands to a Node server, which reads them whole. That server alone where nginx is missing.
   */
  static async start(cpus: string | null, folder: string): Promise<Upstream> {
    const plainPort = await freePort()
    const server = fileURLToPath(new URL('upstream-server.js', import.meta.url))
    const plain = spawnPinned(cpus, [process.execPath, server, String(plainPort)], {})
    await waitForPort(plainPort, plain)
    const plainCount = async (): Promise<number> => Number(await text(plainPort, '/count'))
    if (!has('nginx')) {
      return new Upstream({ port: plainPort, what: 'Node', processes: [plain], counts: [plainCount] })
    }
    const port = await freePort()
    const file = await nginxConfig(folder, port, plainPort)
    const nginx = spawnPinned(cpus, ['nginx', '-e', join(folder, 'upstream.log'), '-c', file], {})
    await waitForPort(port, nginx)
    // Each look counts as a request of its own.
    let looks = 0
    const count = async (): Promise<number> => {
      const numbers = /requests\s+\d+ \d+ (\d+)/.exec(await text(port, '/status'))
      return Number(numbers?.[1] ?? Number.NaN) - ++looks
    }
    return new Upstream({ port, what: 'nginx', processes: [nginx, plain], counts: [count] })
  }

  /** Requests received so far. */
  async count(): Promise<number> {
    const counts = await Promise.all(this.#counts.map((count) => count()))
    return counts.reduce((sum, each) => sum + each, 0)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.stop()))
  }
}

async function text(port: number, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
  return response.text()
}

async function nginxConfig(folder: string, port: number, plainPort: number): Promise<string> {
  const files = join(folder, 'files')
  await mkdir(files, { recursive: true })
  const download = await open(join(files, 'download'), 'w')
  await download.truncate(DOWNLOAD_BYTES)
  await download.close()
  await writeFile(join(files, '64k'), 'x'.repeat(65_536))
  const file = join(folder, 'upstream.conf')
  await writeFile(
    file,
    `daemon off; worker_processes 1; pid ${folder}/upstream.pid; error_log ${folder}/upstream.log;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 16384; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; default_type text/plain; server_tokens off;
  sendfile on; open_file_cache max=10; client_max_body_size 0;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${folder}/upstream-${each};`).join(' ')}
  upstream plain { server 127.0.0.1:${plainPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /0 { return 200; }
    location = /1k { return 200 "${'x'.repeat(1024)}"; }
    location = /64k { root ${files}; }
    location = /download { root ${files}; }
    location = /upload {
      proxy_pass http://plain; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off;
    }
    location = /slow { proxy_pass http://plain; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
    location = /status { stub_status; }
  }
}
`,
  )
  return file
}
