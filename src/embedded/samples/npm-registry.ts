import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { startListener, type SampleListener, type SampleListenerOptions } from './listener.ts'
import { publishPackages, type PublishedPackage, type PublishedVersion } from './npm-packages.ts'
import { jsonReply, methodNotAllowed, requestPath, sendReply, type Reply } from './replies.ts'

type Packages = ReadonlyMap<string, PublishedPackage>

/** Media type of the metadata that holds only what an install needs. */
const abbreviatedType = 'application/vnd.npm.install-v1+json'

/** Metadata is revalidated each time (and then costs a 304), so that every install is seen by the gateway. */
const metadataHeaders = {
  'Cache-Control': 'no-cache',
  Vary: 'Accept, X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Prefix',
}

/** A version never changes. */
const tarballHeaders = { 'Cache-Control': 'public, max-age=31536000, immutable' }

/**
 * Starts a read-only registry that speaks the npm protocol and has a few packages built in (`waybill-hello` and what it
 * depends on). Addresses in its metadata follow `X-Forwarded-Proto`, `-Host` and `-Prefix`, otherwise `Host`. Rejects
 * when the address cannot be bound.
 */
export async function startNpmRegistry(options: SampleListenerOptions = {}): Promise<SampleListener> {
  const packages = await publishPackages()
  return startListener((req, res) => sendReply(req, res, replyTo(req, packages)), options)
}

function replyTo(req: IncomingMessage, packages: Packages): Reply {
  const segments = decodeSegments(requestPath(req))
  if (segments === undefined) return jsonReply(400, { error: 'malformed path' })
  if (req.method === 'POST') {
    const audit = auditReply(segments.join('/'))
    if (audit !== undefined) return audit
  }
  if (req.method !== 'GET' && req.method !== 'HEAD') return methodNotAllowed('GET, HEAD')
  if (segments[0] === '') return jsonReply(200, { packages: [...packages.keys()] }, metadataHeaders)
  if (segments[0] === '-') return serviceReply(segments.slice(1), packages)

  const found = findPackage(segments, packages)
  if (found === undefined) return notFound()
  const { pkg, rest } = found
  const [first, second] = rest
  if (first === undefined) return packumentReply(req, pkg)
  if (first === '-' && second !== undefined && rest.length === 2) return tarballReply(pkg, second)
  if (rest.length === 1) return versionReply(req, pkg, first)
  return notFound()
}

/** The path's segments, decoded; a scope and its package are one segment when they came as `@scope%2fname`. */
function decodeSegments(path: string): string[] | undefined {
  if (!path.startsWith('/')) return undefined
  try {
    return path.slice(1).split('/').map(decodeURIComponent)
  } catch {
    return undefined
  }
}

/** Finds the package that a path begins with, in both spellings of a scope, and what follows it. */
function findPackage(
  segments: string[],
  packages: Packages,
): { pkg: PublishedPackage; rest: string[] } | undefined {
  const [first = '', second = ''] = segments
  const whole = packages.get(first)
  if (whole !== undefined) return { pkg: whole, rest: segments.slice(1) }
  const scoped = packages.get(`${first}/${second}`)
  return scoped === undefined ? undefined : { pkg: scoped, rest: segments.slice(2) }
}

function packumentReply(req: IncomingMessage, pkg: PublishedPackage): Reply {
  const base = publicBase(req)
  const abbreviated = (req.headers.accept ?? '').includes(abbreviatedType)
  const versions: Record<string, unknown> = {}
  const time: Record<string, string> = {}
  let modified = ''
  for (const [number, version] of pkg.versions) {
    versions[number] = versionDocument(base, pkg, version, abbreviated)
    time[number] = version.publishedAt
    if (version.publishedAt > modified) modified = version.publishedAt
  }
  const common = { name: pkg.name, 'dist-tags': pkg.distTags, versions }
  if (abbreviated) {
    return { ...jsonReply(200, { ...common, modified }, metadataHeaders), type: abbreviatedType }
  }
  const created = [...pkg.versions.values()][0]?.publishedAt
  const { description, readme } = pkg
  return jsonReply(
    200,
    {
      _id: pkg.name,
      ...common,
      description,
      readme,
      license: 'Apache-2.0',
      time: { created, modified, ...time },
    },
    metadataHeaders,
  )
}

/** `version` is a version's number or a dist-tag. */
function versionReply(req: IncomingMessage, pkg: PublishedPackage, version: string): Reply {
  const tagged = Object.hasOwn(pkg.distTags, version) ? pkg.distTags[version] : undefined
  const found = pkg.versions.get(tagged ?? version)
  if (found === undefined) return jsonReply(404, { error: `version not found: ${version.slice(0, 256)}` })
  return jsonReply(200, versionDocument(publicBase(req), pkg, found, false), metadataHeaders)
}

function versionDocument(
  base: string,
  pkg: PublishedPackage,
  version: PublishedVersion,
  abbreviated: boolean,
): Record<string, unknown> {
  const { name, version: number, bin, dependencies } = version.manifest
  const { integrity, shasum, fileCount, unpackedSize } = version
  const tarball = `${base}/${pkg.name}/-/${version.tarballName}`
  const dist = { integrity, shasum, tarball, fileCount, unpackedSize }
  if (abbreviated) return { name, version: number, bin, dependencies, dist }
  return { ...version.manifest, _id: `${pkg.name}@${String(number)}`, dist }
}

function tarballReply(pkg: PublishedPackage, fileName: string): Reply {
  for (const { tarballName, tarball } of pkg.versions.values()) {
    if (tarballName === fileName) {
      return { status: 200, type: 'application/octet-stream', body: tarball, headers: tarballHeaders }
    }
  }
  return notFound()
}

/** What lives under `/-/`. */
function serviceReply(segments: string[], packages: Packages): Reply {
  const [service, ...rest] = segments
  if (service === 'ping' && rest.length === 0) return jsonReply(200, {})
  // The gateway knows the user; this registry does not.
  if (service === 'whoami' && rest.length === 0) return jsonReply(200, { username: 'anonymous' })
  if (service === 'package' && rest.at(-1) === 'dist-tags') {
    const found = findPackage(rest, packages)
    if (found?.rest.length === 1) return jsonReply(200, found.pkg.distTags, metadataHeaders)
  }
  return notFound()
}

/** Answers to `npm audit` and to the audit within an install: these packages have no advisories. */
function auditReply(path: string): Reply | undefined {
  switch (path) {
    case '-/npm/v1/security/advisories/bulk':
      return jsonReply(200, {})
    case '-/npm/v1/security/audits':
    case '-/npm/v1/security/audits/quick': {
      const vulnerabilities = { info: 0, low: 0, moderate: 0, high: 0, critical: 0 }
      return jsonReply(200, { actions: [], advisories: {}, muted: [], metadata: { vulnerabilities } })
    }
    default:
      return undefined
  }
}

function notFound(): Reply {
  return jsonReply(404, { error: 'not found' })
}

/**
 * The address under which the client sees this registry, without a trailing slash. A forwarding header that does not
 * look like what it should is passed over: it would end up in lock files.
 */
function publicBase(req: IncomingMessage): string {
  const own = `${req.socket.localAddress ?? '127.0.0.1'}:${req.socket.localPort ?? 0}`
  const host =
    forwarded(req.headers, 'x-forwarded-host', authority) ?? matching(req.headers.host, authority) ?? own
  const proto = forwarded(req.headers, 'x-forwarded-proto', /^https?$/i) ?? 'http'
  const prefix = forwarded(req.headers, 'x-forwarded-prefix', /^(?:\/[\w.~%@:+-]+)*\/?$/) ?? ''
  return `${proto.toLowerCase()}://${host}${prefix.replace(/\/$/, '')}`
}

const authority = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i

/** The header's first value (each further proxy appends its own) when it has the expected form. */
function forwarded(headers: IncomingHttpHeaders, name: string, form: RegExp): string | undefined {
  return matching(
    String(headers[name] ?? '')
      .split(',')[0]
      ?.trim(),
    form,
  )
}

function matching(value: string | undefined, form: RegExp): string | undefined {
  return value !== undefined && value !== '' && form.test(value) ? value : undefined
}
