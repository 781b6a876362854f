import { bytes, choice } from './option-rows.ts'

const MIB = 1024 ** 2

/** How the documents of artifact repositories are rewritten. */
export const ARTIFACT_OPTIONS = {
  'artifacts.maxDocumentBytes': bytes(
    128 * MIB,
    65_536,
    4096 * MIB,
    'Largest document, without its compression, in which addresses are rewritten; larger is answered 502',
  ),
  'artifacts.malformedDocuments': choice(
    'refuse',
    ['refuse', 'pass'],
    'What becomes of a document that is not what it says: 502, or passed on from there as it is',
  ),
  'artifacts.foreignAddresses': choice(
    'pass',
    ['refuse', 'pass'],
    'What becomes of a document with an address that leads neither through the route nor to one of its files hosts',
  ),
} as const
