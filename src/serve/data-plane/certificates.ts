import type { Config } from '../../config/config.ts'
import { readTlsFiles } from '../../config/tls-files.ts'
import type { Logger } from '../../logger/logger.ts'
import type { CertificateExpiry } from '../../model/stats.ts'
import type { ProxyListener } from '../../listener/listener.ts'

/**
 * Has the listener speak TLS with the certificates of `listen.tls`. Those that were read last stay where the files are not whole: a
 * new certificate may be there before its key. Throws when there are none yet. Returns when those in use expire, or `before` where they stay.
 */
export function readCertificates(
  proxy: ProxyListener,
  { options }: Config,
  { logger, before }: { logger: Logger; before: readonly CertificateExpiry[] },
): readonly CertificateExpiry[] {
  const { certificates, problems } = readTlsFiles(options['listen.tls'])
  if (problems.length === 0) {
    proxy.names = certificates
    return certificates?.expiries ?? []
  }
  if (proxy.hasTls) logger.error({ problems }, 'certificates not read: the old ones stay')
  else throw new Error(problems.join('; '))
  return before
}
