import { createHash, createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import { errorCode } from '../lib/error-code.ts'
import type { CertificateExpiry } from '../model/stats.ts'

/** Files in PEM: a certificate, with those that it needs up to the root, and its key. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

/** A certificate and the names that it is for: `a.example`, `*.b.example`. */
interface Certificate {
  readonly names: readonly string[]
  readonly context: SecureContext
  /** Epoch milliseconds. */
  readonly expiresAtMs: number
}

/** Certificates by the names that clients ask for (SNI); the first one for all others. */
export class ServerCertificates {
  readonly #first: SecureContext
  readonly #byName = new Map<string, SecureContext>()
  /** When each expires, by its first name; of several with the same one (RSA and ECDSA, old and new) the first that does. */
  readonly expiries: readonly CertificateExpiry[]

  constructor(certificates: readonly [Certificate, ...Certificate[]]) {
    this.#first = certificates[0].context
    const expiries = new Map<string, number>()
    for (const { names, expiresAtMs } of certificates) {
      const name = names[0] ?? ''
      expiries.set(name, Math.min(expiresAtMs, expiries.get(name) ?? Infinity))
    }
    this.expiries = Array.from(expiries, ([name, expiresAtMs]) => ({ name, expiresAtMs }))
    for (const { names, context } of certificates) {
      for (const name of names) if (!this.#byName.has(name)) this.#byName.set(name, context)
    }
  }

  contextFor(name: string): SecureContext {
    const lower = name.toLowerCase()
    const dot = lower.indexOf('.')
    return this.#byName.get(lower) ?? this.#byName.get(`*${lower.slice(Math.max(0, dot))}`) ?? this.#first
  }
}

/** Reads and checks the files of `listen.tls`. null certificates for no files, or with problems, each of which names its field. */
export function readTlsFiles(files: readonly TlsFiles[]): {
  certificates: ServerCertificates | null
  problems: string[]
  /** Tells what the files hold from all else that they could; '' for no files. */
  digest: string
} {
  const problems: string[] = []
  const read: Certificate[] = []
  const hash = createHash('sha256')
  for (const [i, pair] of files.entries()) {
    const label = files.length === 1 ? 'listen.tls' : `listen.tls[${i}]`
    const cert = readText(pair.cert, `${label}.cert`, problems)
    const key = readText(pair.key, `${label}.key`, problems)
    hash.update(`${cert ?? ''}\0${key ?? ''}\0`)
    const certificate = cert === null || key === null ? null : readPair(pair, { cert, key }, label, problems)
    if (certificate !== null) read.push(certificate)
  }
  const [first, ...others] = read
  const isWhole = first !== undefined && problems.length === 0
  const certificates = isWhole ? new ServerCertificates([first, ...others]) : null
  return { certificates, problems, digest: files.length === 0 ? '' : hash.digest('base64url') }
}

function readPair(
  { cert, key }: TlsFiles,
  { cert: certText, key: keyText }: TlsFiles,
  label: string,
  problems: string[],
): Certificate | null {
  const leaf = attempt(() => new X509Certificate(certText))
  if (leaf === null) problems.push(`${label}.cert: ${cert} holds no certificate in PEM`)
  const privateKey: KeyObject | null = attempt(() => createPrivateKey(keyText))
  if (privateKey === null) {
    const isEncrypted = keyText.includes('ENCRYPTED')
    const why = isEncrypted
      ? 'is encrypted; a key without a passphrase is needed'
      : 'holds no private key in PEM'
    problems.push(`${label}.key: ${key} ${why}`)
  }
  if (leaf === null || privateKey === null) return null
  if (!leaf.checkPrivateKey(privateKey)) {
    problems.push(`${label}.key: ${key} is not the key of the certificate in ${cert}`)
    return null
  }
  const context = attempt(() => createSecureContext({ cert: certText, key: keyText, minVersion: 'TLSv1.2' }))
  if (context === null) {
    problems.push(`${label}.cert: ${cert} cannot be used by TLS: too weak, or a broken chain`)
    return null
  }
  return { names: namesOf(leaf), context, expiresAtMs: Date.parse(leaf.validTo) }
}

function readText(file: string, label: string, problems: string[]): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    problems.push(`${label}: ${file} cannot be read (${errorCode(error)})`)
    return null
  }
}

/** OpenSSL's errors name nothing that an operator knows; what was tried is said instead. */
function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}

/** DNS names of the certificate (RFC 9525 §6.3: the subject's common name counts for old clients alone). */
function namesOf({ subjectAltName, subject }: X509Certificate): string[] {
  const names = [...(subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(([, name]) => name ?? '')
  const common = /^CN=(.+)$/m.exec(subject)?.[1]
  return (names.length > 0 ? names : common === undefined ? [] : [common]).map((name) => name.toLowerCase())
}
