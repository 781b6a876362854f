import type { Config } from '../../config/config.ts'
import { readTlsFiles } from '../../config/tls-files.ts'
import type { Logger } from '../../logger/logger.ts'
import type { ProxyListener } from '../../listener/listener.ts'

/**
 * Has the listener speak TLS with the certificates of `listen.tls`. Those that were read last stay where the files are not whole: a
 * new certificate may be there before its key. Throws when there are none yet.
 */
export function readCertificates(proxy: ProxyListener, { options }: Config, logger: Logger): void {
  const { certificates, problems } = readTlsFiles(options['listen.tls'])
  if (problems.length === 0) proxy.names = certificates
  else if (proxy.names === null) throw new Error(problems.join('; '))
  else logger.error({ problems }, 'certificates not read: the old ones stay')
}
