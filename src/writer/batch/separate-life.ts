import { createHash } from 'node:crypto'
import { firstDigest, nextDigest, rowsDigest } from '../../model/audit/ledger-chain.ts'
import { type Batch, cutRowsText } from './batch.ts'
import { headerOf } from './batch-builder.ts'
import { droppedOf } from '../../model/audit/audit-batch.ts'

/**
 * The batch as an instance of its own, of which it is the only batch. For a batch whose number the ledger has with another digest: two
 * processes write under one id (a machine was resumed from a snapshot, a server promoted that differs), and the other process has the
 * number. The new id is computed from the batch alone: each attempt, also after a restart from the spill, makes the same one, and the
 * ledger lets only one of them store.
 */
export function asSeparateLife(batch: Batch): Batch {
  const instance = separateId(batch)
  // A raw tab or newline ends a field or a row, so only the last two fields of a row match.
  const pattern = new RegExp(`\t${batch.instance}\t(\\d+)(\n|$)`, 'g')
  const rename = (text: string): string => text.replace(pattern, `\t${instance}\t$1$2`)
  const body = Buffer.from(rename(batch.body.toString()))
  const quarantined = batch.quarantined.map((row) => ({ ...row, text: rename(row.text) }))
  const settled = batch.entries + quarantined.length + droppedOf(batch.dropped)
  const own = {
    ...batch,
    instance,
    number: 1,
    body,
    quarantined,
    acceptedSeq: settled,
    buffered: 0,
    isFinal: true,
    rowsDigest: rowsDigest(cutRowsText({ body, quarantined })),
  }
  return { ...own, digest: nextDigest(firstDigest(instance), headerOf(own), own.rowsDigest) }
}

/** RFC 9562 §5.8: a UUID of version 8, made of a digest. */
function separateId({ instance, number, digest }: Batch): string {
  const hash = createHash('sha256').update(`${instance} ${number} `).update(digest).digest().subarray(0, 16)
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  const hex = hash.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
