import { lookup } from 'node:dns/promises'
import net, { type AddressInfo } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { ProxyListenError } from '../../listener/listen.ts'

/** What Node's own cluster module sends its workers: a socket that is bound, and that nobody here accepts from. */
export interface BoundHandle {
  /** 0, or the system's error. */
  getsockname(into: { address?: string; port?: number; family?: string }): number
  close(): void
}

type CreateServerHandle = (
  address: string,
  port: number,
  addressType: 4 | 6,
  fd: number,
  flags: number,
) => BoundHandle | number

/**
 * Takes an address without accepting from it: public functions of `node:net` only listen and accept in one. Node's cluster
 * module uses this one; it is there in 20, 24 and 26. Rejects with a `ProxyListenError` when the address is taken.
 */
export async function bindProxyAddress(
  host: string,
  port: number,
): Promise<{ handle: BoundHandle; address: AddressInfo }> {
  const { address, family } = await lookup(host).catch((error: NodeJS.ErrnoException) => {
    throw new ProxyListenError(host, port, error)
  })
  const create = (net as unknown as { _createServerHandle: CreateServerHandle })._createServerHandle
  const handle = create(address, port, family === 6 ? 6 : 4, -1, 0)
  if (typeof handle === 'number') throw listenError(host, port, handle)
  const found: { address?: string; port?: number; family?: string } = {}
  // libuv tells of a port that is taken not before something is asked of the socket.
  const errno = handle.getsockname(found)
  if (errno !== 0) {
    handle.close()
    throw listenError(host, port, errno)
  }
  const name = { address: found.address ?? address, port: found.port ?? port, family: found.family ?? '' }
  return { handle, address: name }
}

/** The error of a single process that cannot listen. */
export function listenError(host: string, port: number, errno: number): ProxyListenError {
  const code = getSystemErrorName(errno)
  return new ProxyListenError(host, port, Object.assign(new Error(`listen ${code}`), { code }))
}
