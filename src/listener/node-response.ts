import { ServerResponse, type IncomingMessage } from 'node:http'
import type { ClientResponse } from '../proxy/exchange/client.ts'

/** Node's response, and how a small body goes out with it at once. */
export class NodeResponse<Request extends IncomingMessage = IncomingMessage>
  extends ServerResponse<Request>
  implements ClientResponse
{
  /**
   * A latin1 text holds any bytes, and Node joins it to the head. Measured, against a Buffer, which goes out beside the head by
   * `writev` at the end of the turn: 4 µs less per 1 KiB response.
   */
  writeWhole(bytes: Buffer): void {
    const { socket } = this
    // Corked by us, Node does not put off the write; null while an earlier response of the connection is under way.
    socket?.cork()
    this.write(bytes.toString('latin1'), 'latin1')
    socket?.uncork()
  }
}
