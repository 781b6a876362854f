import type { FrameCodec } from '../spool/segment-format.ts'
import type { StoredParcel } from './delivery-store.ts'

/** All of a parcel but its bytes. */
interface ParcelRecord extends Omit<StoredParcel, 'packed'> {
  readonly packing: string
  readonly packedBytes: number
}

/** Parcels in a spool: the header is JSON, the body their packed bodies one after the other. */
export const parcelCodec: FrameCodec<readonly StoredParcel[]> = {
  encode(parcels) {
    const records = parcels.map(({ packed, ...rest }): ParcelRecord => {
      return Object.assign(rest, { packing: packed.packing, packedBytes: packed.bytes.length })
    })
    return {
      entries: parcels.length,
      header: Buffer.from(JSON.stringify(records)),
      body: Buffer.concat(parcels.map(({ packed }) => packed.bytes)),
    }
  },

  decode({ header, body }) {
    try {
      let at = 0
      return (JSON.parse(header.toString()) as ParcelRecord[]).map(({ packing, packedBytes, ...rest }) => {
        const bytes = body.subarray(at, (at += packedBytes))
        return Object.assign(rest, { packed: { packing, bytes } })
      })
    } catch {
      // The checksum is right, and the content is not: no inbox of ours has made this file.
      return null
    }
  },

  nameOf: ([first]) => `deliveries from ${first?.id ?? 'nobody'} on`,
}
