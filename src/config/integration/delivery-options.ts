import { bytes, integer, text } from '../option-rows.ts'
import { bodyKeys } from '../../model/delivery/body-key.ts'

const GIB = 1024 ** 3
const KEY_FORM =
  'id:key with a key of 32 bytes in base64, several parted by commas: the first encrypts, the others still open'

/** What routes with `mode: accept` keep: `deliveries.…`. */
export const DELIVERY_OPTIONS = {
  'deliveries.maxWaiting': integer(
    100_000,
    1,
    100_000_000,
    'Deliveries of a tenant that may wait for their receivers; more are answered 503',
  ),
  'deliveries.maxWaitingBytes': bytes(
    2 * GIB,
    1,
    1024 * GIB,
    'Bytes of bodies of a tenant that may wait, dead letters included',
  ),
  'deliveries.spoolBytes': bytes(
    GIB,
    0,
    1024 * GIB,
    'What may be accepted onto disk while PostgreSQL is away; 0 for nothing',
  ),
  'deliveries.retentionDays': integer(
    30,
    0,
    3650,
    'Days of deliveries that are kept, dead letters included; a day of which something waits stays. 0 for ever',
  ),
  'deliveries.encryptionKeys': text(
    '',
    KEY_FORM,
    'Keys that bodies are encrypted with at rest (AES-256-GCM); without one they are not',
    (v) => bodyKeys(v) !== null,
    { isSecret: true, secrets: (v) => (bodyKeys(v) ?? []).map(({ key }) => key.toString('base64')) },
  ),
} as const
