/**
 * The address of a path below another address, whose own path is kept. The path is set and not resolved (RFC 3986 §5.2): behind a base of
 * `https://host//`, what is resolved begins with `//` and names another host. `path` begins with a slash, and is percent-encoded.
 */
export function addressBelow(base: URL, path: string): URL {
  const url = new URL(base)
  url.pathname = base.pathname.replace(/\/+$/, '') + path
  return url
}
