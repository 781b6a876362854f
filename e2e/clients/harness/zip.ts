import { crc32 } from 'node:zlib'

/** A ZIP archive of files that are stored as they are, dated 1980 (APPNOTE 4.3). Without ZIP64: up to 4 GB. */
export function zip(files: ReadonlyMap<string, Uint8Array>): Buffer {
  const local: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const [path, bytes] of files) {
    const name = Buffer.from(path)
    const common = commonFields(name, bytes)
    const head = Buffer.concat([Buffer.from('PK\x03\x04'), common, name])
    local.push(head, Buffer.from(bytes))
    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    // Made by version 2.0, as needed to extract.
    central.push(Buffer.from('PK\x01\x02\x14\x00'), common, place, name)
    offset += head.length + bytes.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(files.size, 8)
  end.writeUInt16LE(files.size, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...local, directory, end])
}

/** The fields that both headers of a file have in common, from the version to the lengths. */
function commonFields(name: Buffer, bytes: Uint8Array): Buffer {
  const fields = Buffer.alloc(26)
  fields.writeUInt16LE(20, 0)
  // 1980-01-01, as day 0 is none.
  fields.writeUInt16LE(0x21, 8)
  fields.writeUInt32LE(crc32(bytes), 10)
  fields.writeUInt32LE(bytes.length, 14)
  fields.writeUInt32LE(bytes.length, 18)
  fields.writeUInt16LE(name.length, 22)
  return fields
}
