import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Test } from 'tap'
import { runCommand } from '../../harness/child.ts'
import { testFolder } from '../../harness/product.ts'
import { bodyOf, sha256, startFileServer, type FileServer } from './file-server.ts'

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json'

/** Writes a wheel (PEP 427) with a module of its own name. Arguments: folder, name, version, bytes of ballast, what it requires. */
const MAKE_WHEEL = `
import base64, hashlib, os, sys, zipfile
folder, name, version, ballast = sys.argv[1:5]
module, requires = name.replace('-', '_'), sys.argv[5:]
info = f'{module}-{version}.dist-info'
files = {
  f'{module}/__init__.py': f'__version__ = {version!r}\\n'.encode(),
  f'{module}/ballast.bin': os.urandom(int(ballast)),
  f'{info}/METADATA': '\\n'.join(['Metadata-Version: 2.1', f'Name: {name}', f'Version: {version}', 'Summary: A test', *[f'Requires-Dist: {r}' for r in requires], '']).encode(),
  f'{info}/WHEEL': b'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n',
}
digest = lambda data: 'sha256=' + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()
record = ''.join(f'{path},{digest(data)},{len(data)}\\n' for path, data in files.items()) + f'{info}/RECORD,,\\n'
with zipfile.ZipFile(os.path.join(folder, f'{module}-{version}-py3-none-any.whl'), 'w') as wheel:
  for path, data in [*files.items(), (f'{info}/RECORD', record)]: wheel.writestr(path, data)
`

/** A project's one wheel. */
export interface Wheel {
  readonly project: string
  readonly version: string
  readonly ballast?: number
  readonly requires?: readonly string[]
}

/** Where a page's addresses lead. */
export type Addressing = 'relative' | 'absolute' | 'files-host'

/** A Python repository: pages as HTML (PEP 503) and JSON (PEP 691), and the upload of twine. */
export interface PythonRepository {
  readonly index: FileServer
  /** Serves the wheels of projects addressed so, under another name. */
  readonly files: FileServer
  /** Adds a wheel. Returns the path of its file. */
  add(wheel: Wheel, addressing: Addressing): Promise<string>
  /** Projects that were uploaded: `name version file`. */
  readonly uploads: readonly string[]
}

interface Link {
  readonly filename: string
  readonly url: string
  readonly hash: string
}

/** Starts an index and a files host on loopback. */
export async function startPythonRepository(t: Test): Promise<PythonRepository> {
  const links = new Map<string, Link>()
  const uploads: string[] = []
  const files = await startFileServer(t)
  const api = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<boolean> => {
    if (request.method === 'POST' && url.pathname === '/') {
      uploads.push(uploadOf((await bodyOf(request)).toString('latin1')))
      response.end('thanks\n')
      return true
    }
    const project = /^\/simple\/([^/]+)\/$/.exec(url.pathname)?.[1]
    const link = links.get(project ?? '')
    if (project === undefined || link === undefined) return false
    const isJson = (request.headers.accept ?? '').includes(JSON_TYPE)
    response.setHeader('content-type', isJson ? JSON_TYPE : 'text/html; charset=utf-8')
    response.end(isJson ? jsonPage(project, link) : htmlPage(project, link))
    return true
  }
  const index = await startFileServer(t, { api })
  const folder = await testFolder(t)
  const add = async (wheel: Wheel, addressing: Addressing): Promise<string> => {
    const filename = await makeWheel(folder, wheel)
    const bytes = await readFile(join(folder, filename))
    const path = `/packages/${filename}`
    const server = addressing === 'files-host' ? files : index
    server.files.set(path, bytes)
    const url = addressing === 'relative' ? `../..${path}` : new URL(path, server.url).href
    links.set(wheel.project, { filename, url, hash: sha256(bytes) })
    return path
  }
  return { index, files, add, uploads }
}

/** Makes a wheel in a folder. Returns its file's name. */
export async function makeWheel(folder: string, wheel: Wheel): Promise<string> {
  const { project, version, ballast = 0, requires = [] } = wheel
  const args = ['-c', MAKE_WHEEL, folder, project, version, String(ballast), ...requires]
  const done = await runCommand('python3', args, { cwd: folder })
  if (done.code !== 0) throw new Error(done.stderr)
  return `${project.replaceAll('-', '_')}-${version}-py3-none-any.whl`
}

function htmlPage(project: string, { filename, url, hash }: Link): string {
  return `<!DOCTYPE html><html><head><title>${project}</title></head><body><a href="${url}#sha256=${hash}">${filename}</a></body></html>\n`
}

function jsonPage(project: string, { filename, url, hash }: Link): string {
  const file = { filename, url, hashes: { sha256: hash } }
  return JSON.stringify({ meta: { 'api-version': '1.0' }, name: project, files: [file] })
}

/** What a form of the legacy upload names. */
function uploadOf(form: string): string {
  const field = (name: string): string => new RegExp(`name="${name}"\r\n\r\n([^\r]*)`).exec(form)?.[1] ?? ''
  return `${field('name')} ${field('version')} ${/filename="([^"]*)"/.exec(form)?.[1] ?? ''}`
}
