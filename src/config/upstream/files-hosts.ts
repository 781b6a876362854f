import { isIP } from 'node:net'
import { z } from 'zod'
import type { FilesHost } from '../../model/upstream/files-host.ts'
import { isLinkLocal } from '../../model/network.ts'

const FORM =
  'must be an https:// or http:// URL with a path or none, such as https://files.example.com/packages/'

const entry = z.strictObject({ url: z.string(), auth: z.boolean().default(false) })

/** One host: its URL, or `{ url, auth }`. */
const filesHost = z
  .union([z.string().transform((url) => ({ url, auth: false })), entry], `${FORM}, or { url: …, auth: true }`)
  .transform(({ url, auth }, context): FilesHost => {
    const read = readUrl(url)
    if (typeof read !== 'string') return { ...read, auth }
    context.addIssue({ code: 'custom', message: read })
    return z.NEVER
  })

/** The `files` of a route. */
export const filesHosts = z
  .array(filesHost)
  .max(64)
  .superRefine((hosts, context) => {
    for (const [i, { origin, host, path }] of hosts.entries()) {
      const others = hosts.slice(0, i).filter((other) => other.host === host)
      const problem = others.some((other) => other.origin !== origin)
        ? `${host} stands there with both schemes; clients could not tell which is meant`
        : others.some((other) => other.path === path)
          ? `${host}${path} stands there twice`
          : null
      if (problem !== null) context.addIssue({ code: 'custom', message: problem, path: [i] })
    }
  })

function readUrl(text: string): Omit<FilesHost, 'auth'> | string {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return FORM
  const { origin, host, hostname, pathname, search, hash, username, password } = new URL(text)
  if (username !== '' || password !== '') return 'must not hold credentials'
  if (search !== '' || hash !== '') return 'must not hold a query or fragment'
  if (hostname.startsWith('[')) return 'must be a host name or an IPv4 address: IPv6 cannot stand in a path'
  if (isIP(hostname) !== 0 && isLinkLocal(hostname))
    return 'is a link-local address (cloud metadata lives there)'
  return { origin, host, path: pathname.endsWith('/') ? pathname : `${pathname}/` }
}
