import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { z } from 'zod'
import { errorCode } from '../lib/error-code.ts'
import type { UpstreamTls } from '../model/route.ts'
import { key } from './route-key.ts'

const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
const file = z.string().min(1)

/** The key `tls` of a route: files are named here, and read whenever the configuration is. */
export const upstreamTls = z.strictObject({
  ca: key(
    file.optional(),
    'a PEM file',
    "The only authorities whose signature on the upstream's certificate counts",
    "the system's",
  ),
  cert: key(file.optional(), 'a PEM file, with `key`', 'Client certificate', 'none'),
  key: key(file.optional(), 'a PEM file, with `cert`', 'Its key', 'none'),
  serverName: key(
    z
      .string()
      .toLowerCase()
      .regex(/^[a-z0-9._-]{1,253}$/, 'must be a host name')
      .optional(),
    'a host name',
    'Name that is asked for, and that the certificate must bear',
    "the upstream's host",
  ),
  minVersion: key(
    z.enum(TLS_VERSIONS).optional(),
    `one of ${TLS_VERSIONS.join(', ')}`,
    'Oldest version that is spoken',
    "Node's",
  ),
})

/** Reads the files, and tries out whether they fit together. Each problem begins with the field's name after a dot, or a colon. */
export function readUpstreamTls(
  settings: z.infer<typeof upstreamTls>,
): UpstreamTls | { readonly problems: readonly string[] } {
  const problems: string[] = []
  const read = (name: 'ca' | 'cert' | 'key'): string | null => {
    const path = settings[name]
    if (path === undefined) return null
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      const code = errorCode(error)
      problems.push(`.${name}: ${path} cannot be read (${code})`)
      return null
    }
  }
  const tls: UpstreamTls = {
    ca: read('ca'),
    cert: read('cert'),
    key: read('key'),
    serverName: settings.serverName ?? null,
    minVersion: settings.minVersion ?? null,
  }
  if ((settings.cert === undefined) !== (settings.key === undefined)) {
    problems.push(': cert and key belong together')
  }
  if (problems.length > 0) return { problems }
  // Node takes a file without any certificate for an empty list.
  if (tls.ca !== null && !tls.ca.includes('-----BEGIN CERTIFICATE-----')) {
    return { problems: [`.ca: ${settings.ca ?? ''} holds no PEM certificate`] }
  }
  try {
    createSecureContext({
      ...(tls.ca === null ? {} : { ca: tls.ca }),
      ...(tls.cert === null || tls.key === null ? {} : { cert: tls.cert, key: tls.key }),
    })
  } catch (error) {
    const code = errorCode(error)
    return { problems: [`: ca, cert and key are not PEM files that fit together (${code})`] }
  }
  return tls
}
