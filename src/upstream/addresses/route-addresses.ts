import { filesPathOf, type FilesHost, type FilesPlace } from '../../model/upstream/files-host.ts'

/** Where a route leads. */
export interface RoutePlace {
  readonly origin: string
  /** Path at the upstream that the route's stands for, and the route's own; both end in a slash. */
  readonly base: string
  readonly prefix: string
  /** Path that the upstream was asked for. */
  readonly asked: string
  /**
   * Path at the upstream of the image that the request is about, ending in a slash; null for another kind of route. What stands below is the
   * upstream's, though it may look like the gateway's: registries write their own paths at the host that they are told of.
   */
  readonly repository: string | null
  /** Host that the route has it asked for as, or null. */
  readonly named: string | null
  /** Host at which the client asked, which the upstream is told of and may take for its own. */
  readonly told: string
  /** Path that stands before all paths at the gateway as clients know them, without a slash at its end; '' for none. */
  readonly publicBase: string
  /** The route's files hosts; and the one that this comes from instead of the upstream, null for none. */
  readonly files: readonly FilesHost[]
  readonly source: FilesPlace | null
  /** Whether a path at the gateway is a route's. */
  isRouted(path: string): boolean
}

const ABSOLUTE = /^(?:https?:)?\/\//i

/**
 * An address of the upstream's, or of a files host of the route, as a path that the client can use; the same when it is another's,
 * outside of the route, or relative to the request. `isRedirect`: the client will ask for it at once, and not what it asked for
 * already.
 */
export function localAddress(address: string, at: RoutePlace, isRedirect = true): string {
  if (at.source !== null) return fromFilesHost(address, at, at.source)
  const local = upstreamAddress(address, at, isRedirect)
  if (local !== address || at.files.length === 0) return local
  return filesAddress(address, at.origin, at) ?? address
}

/** What a files host says of itself has its origin; a path of its own would be taken for one of the gateway's. */
function fromFilesHost(address: string, at: RoutePlace, { host, path }: FilesPlace): string {
  const isPath = address.startsWith('/')
  if (!isPath && !ABSOLUTE.test(address)) return address
  const base = host.origin + path
  const local = filesAddress(address, base, at)
  if (local !== null || !URL.canParse(address, base)) return local ?? address
  const { href } = new URL(address, base)
  const own = upstreamAddress(href, at, false)
  return own === href && !isPath ? address : own
}

function filesAddress(
  address: string,
  base: string,
  { files, prefix, publicBase }: RoutePlace,
): string | null {
  if (!address.startsWith('/') && !ABSOLUTE.test(address)) return null
  const path = URL.canParse(address, base) ? filesPathOf(files, prefix, new URL(address, base)) : null
  return path === null ? null : publicBase + path
}

function upstreamAddress(address: string, at: RoutePlace, isRedirect: boolean): string {
  let path = address
  if (ABSOLUTE.test(address)) {
    const start = address.indexOf('//') + 2
    const end = start + address.slice(start).search(/[/?#]|$/)
    const scheme = start === 2 ? at.origin.slice(0, at.origin.indexOf('//')) : ''
    path = address.slice(end)
    if (!path.startsWith('/')) path = `/${path}`
    const upstreamPath = path.replace(/[?#].*/s, '')
    // TLS may end in front of the upstream. But one that asks for TLS where there was none is not sent round in a circle.
    const isCircle =
      isRedirect && /^https:/i.test(address) && at.origin.startsWith('http:') && upstreamPath === at.asked
    if (!isUpstreams(scheme + address.slice(0, end), upstreamPath, at, { isCircle, isRedirect }))
      return address
  } else if (!address.startsWith('/') || isGatewaysAlready(address, at)) {
    return address
  }
  const local = localPath(path, at)
  return local === null ? address : at.publicBase + local
}

/** The upstream's addresses as documents of a route have to name them. */
export class RouteAddresses {
  readonly #place: RoutePlace
  /** Origin at which clients reach the gateway. */
  readonly #origin: string
  /** How most of the upstream's own addresses begin, and what stands for that. */
  readonly #ownStart: string
  readonly #routeStart: string

  /** `origin`: where clients reach the gateway. */
  constructor(place: RoutePlace, origin: string) {
    this.#place = place
    this.#origin = origin
    this.#ownStart = place.origin + place.base
    this.#routeStart = origin + place.publicBase + place.prefix
  }

  /** The route's own path as a whole address; ends in '/'. */
  get routeAddress(): string {
    return this.#routeStart
  }

  /** All that what is written depends on, but for the document. */
  get seed(): string {
    const { named, told, files, source } = this.#place
    const hosts = files.map(({ origin, path }) => origin + path).join(' ')
    return `${this.#ownStart} ${named ?? ''} ${told} ${this.#routeStart} ${hosts} ${source?.host.origin ?? ''}`
  }

  /**
   * An address in a document as clients are to see it: one of the upstream's leads through the route, absolute if it was, all others stay,
   * relative ones and those of other schemes included.
   */
  translate(address: string): string {
    if (address.startsWith(this.#ownStart)) {
      const rest = address.slice(this.#ownStart.length)
      if (!SUSPECT.test(rest)) return this.#routeStart + rest
    }
    const local = localAddress(address, this.#place, false)
    const isPath = address.startsWith('/') && !address.startsWith('//')
    return local === address || isPath ? local : this.#origin + local
  }

  /** Whether an address, translated already, leads past the gateway. */
  isForeign(address: string): boolean {
    // As readers of URLs do (WHATWG URL, "basic URL parser"), cargo's among them: blanks before an address count for nothing, nor does a tab in it.
    const read = address.replaceAll(/^[\0-\x20]+|[\t\n\r]/g, '')
    if (!/^(?:[a-z][a-z0-9+.-]*:|[/\\]{2})/i.test(read)) return false
    return read !== this.#origin && !read.startsWith(`${this.#origin}/`)
  }
}

/** What a path may not hold if its beginning is to say where it leads. */
const SUSPECT = /^\/|\\|\/\.\.?(?:[/?#]|$)|^\.\.?(?:[/?#]|$)/

/** Whether the path at this origin is one of the upstream's, by whichever of its names. */
function isUpstreams(
  text: string,
  path: string,
  at: RoutePlace,
  { isCircle, isRedirect }: { readonly isCircle: boolean; readonly isRedirect: boolean },
): boolean {
  if (!URL.canParse(text)) return false
  const { origin, protocol, host, username, password } = new URL(text)
  if (username !== '' || password !== '') return false
  const own = new URL(at.origin)
  if (origin === own.origin) return true
  if (isCircle) return false
  if (protocol === 'http:' && own.protocol === 'https:' && host === own.host) return true
  // Told by X-Forwarded-Proto that clients come by TLS, some write their own name with that scheme; a redirect there may mean it.
  if (!isRedirect && protocol === 'https:' && own.protocol === 'http:' && host === own.host) return true
  if (at.named !== null && host === hostAt(protocol, at.named)) return true
  // At the gateway's own name it is the upstream's only if nothing of the gateway's is there.
  return host === hostAt(protocol, at.told) && (isOfRepository(path, at) || !isRouted(path, at))
}

function isOfRepository(path: string, { repository }: RoutePlace): boolean {
  return repository !== null && path.startsWith(repository)
}

/** Whether a client's path is one of the gateway's. */
function isRouted(path: string, at: RoutePlace): boolean {
  const { publicBase } = at
  if (publicBase === '') return at.isRouted(path)
  return path.startsWith(`${publicBase}/`) && at.isRouted(path.slice(publicBase.length))
}

/** Host and port as `URL` writes them: without the scheme's own port. */
function hostAt(protocol: string, host: string): string | null {
  const text = `${protocol}//${host}`
  return URL.canParse(text) ? new URL(text).host : null
}

/** An upstream that believes X-Forwarded-Prefix writes the gateway's paths itself; not so one that adds a slash to what it was asked for. */
function isGatewaysAlready(path: string, at: RoutePlace): boolean {
  const own = at.publicBase + at.prefix
  return own !== '/' && path.startsWith(own) && !path.startsWith(at.asked) && !isOfRepository(path, at)
}

function localPath(path: string, { base, prefix }: RoutePlace): string | null {
  if (path.startsWith('//') || path.includes('\\') || /\/\.\.?(?:[/?#]|$)/.test(path)) return null
  if (path.startsWith(base)) return prefix + path.slice(base.length)
  // `/base` for `/base/`, as the end of the route's own path is written.
  const bare = base.slice(0, -1)
  if (bare === '' || !path.startsWith(bare) || !/^(?:$|[?#])/.test(path.slice(bare.length))) return null
  return prefix.slice(0, -1) + path.slice(bare.length)
}
