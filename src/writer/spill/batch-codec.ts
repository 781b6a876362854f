import type { FrameCodec } from '../../spool/segment-format.ts'
import type { Batch } from '../batch/batch.ts'

/** The JSON of a batch on disk: all of it but its rows. The frame's checksum vouches for its form. */
interface BatchHeader extends Omit<Batch, 'body' | 'entries' | 'tenants' | 'rowsDigest' | 'digest'> {
  readonly tenants: readonly (readonly [string, number])[]
  readonly rowsDigest: string
  readonly digest: string
}

/** A batch in a spool: the header is JSON, the body the COPY text that was, or would have been, sent. */
export const batchCodec: FrameCodec<Batch> = {
  encode(batch) {
    const { body, entries, tenants, rowsDigest, digest, ...rest } = batch
    const header: BatchHeader = {
      ...rest,
      // A Map has no JSON, and an object would not keep every key.
      tenants: [...tenants],
      rowsDigest: rowsDigest.toString('hex'),
      digest: digest.toString('hex'),
    }
    return { entries, header: Buffer.from(JSON.stringify(header)), body }
  },

  decode({ entries, header, body }) {
    try {
      const { tenants, rowsDigest, digest, ...rest } = JSON.parse(header.toString()) as BatchHeader
      return {
        ...rest,
        entries,
        tenants: new Map(tenants),
        rowsDigest: Buffer.from(rowsDigest, 'hex'),
        digest: Buffer.from(digest, 'hex'),
        body,
      }
    } catch {
      // The checksum is right, and the content is not: no writer of ours has made this file.
      return null
    }
  },

  nameOf: ({ number }) => `batch ${number}`,
}
