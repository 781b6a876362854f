import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { gzipSync } from 'node:zlib'

/** First segments of the console's addresses below `/`: each of them answers with the page, which reads the rest itself. */
const VIEWS: ReadonlySet<string> = new Set([
  'requests',
  'tail',
  'packages',
  'completeness',
  'deliveries',
  'tenants',
  'keys',
  'system',
])

const ASSETS = '/assets/'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/**
 * The page loads its own script and style and asks its own origin, nothing else: text from an access entry could not run even if
 * it became markup (CSP level 3).
 */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ')

const NOT_BUILT = '<!doctype html><title>Waybill</title><p>The console was not built: run make build.</p>\n'

/** A file as it is sent. */
export interface ConsoleFile {
  readonly headers: Readonly<Record<string, string>>
  readonly plain: Buffer
  readonly zipped: Buffer
}

/** Whether a path is the console's; it holds no data, hence needs no token. */
export function isConsolePath(path: string): boolean {
  return path === '/' || path.startsWith(ASSETS) || VIEWS.has(path.slice(1).split('/', 1)[0] ?? '')
}

/**
 * The built console: the page for each of its addresses, and the files that the page names, by exact name. They are read once,
 * at the first request for any of them.
 */
export class ConsoleFiles {
  readonly #folder: string
  #files: ReadonlyMap<string, ConsoleFile> | null = null

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The file for a path; null for one that is not the console's. */
  find(path: string): ConsoleFile | null {
    if (!isConsolePath(path)) return null
    this.#files ??= readFiles(this.#folder)
    return this.#files.get(path.startsWith(ASSETS) ? path : '/') ?? null
  }
}

function readFiles(folder: string): ReadonlyMap<string, ConsoleFile> {
  const files = new Map([['/', pageOf(readPage(folder))]])
  const assets = join(folder, ASSETS)
  if (!existsSync(assets)) return files
  for (const name of readdirSync(assets)) {
    const type = TYPES[extname(name)]
    if (type === undefined) continue
    // The name bears the digest of the content.
    const headers = { 'content-type': type, 'cache-control': 'public, max-age=31536000, immutable' }
    files.set(ASSETS + name, fileOf(readFileSync(join(assets, name)), headers))
  }
  return files
}

function readPage(folder: string): Buffer {
  const file = join(folder, 'index.html')
  return existsSync(file) ? readFileSync(file) : Buffer.from(NOT_BUILT)
}

function pageOf(body: Buffer): ConsoleFile {
  return fileOf(body, { 'content-type': TYPES['.html'] ?? '', 'content-security-policy': PAGE_POLICY })
}

function fileOf(plain: Buffer, headers: Readonly<Record<string, string>>): ConsoleFile {
  return { headers: { ...headers, vary: 'accept-encoding' }, plain, zipped: gzipSync(plain) }
}
