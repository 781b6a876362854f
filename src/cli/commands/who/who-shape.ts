import type { PackageUser, Sample } from '../../../model/artifact/package-use.ts'
import { USER_FIELDS, userOutput } from '../../../model/artifact/who-document.ts'
import type { RowShape } from '../../output/listing.ts'

/** How the users of a package are printed. */
export const USER_SHAPE: RowShape<PackageUser> = {
  toOutput: (user) => ({ ...userOutput(user) }),
  csvColumns: USER_FIELDS,
  columns: [
    { title: 'PACKAGE', minWidth: 12, dropOrder: 2, cell: (user) => user.purl },
    { title: 'TENANT', minWidth: 8, cell: (user) => user.tenant ?? '-' },
    { title: 'KEY', minWidth: 12, cell: (user) => keyOf(user) },
    { title: 'NAME', dropOrder: 4, cell: (user) => user.keyName ?? '-' },
    {
      title: 'USE',
      minWidth: 8,
      cell: ({ use, outcome }) => (outcome === null ? use : `${use} (${outcome})`),
    },
    { title: 'N', isRight: true, cell: (user) => String(user.requests) },
    { title: 'BYTES', isRight: true, dropOrder: 3, cell: (user) => String(bytesOf(user)) },
    { title: 'FIRST', dropOrder: 1, cell: (user) => timeOf(user.firstAt) },
    { title: 'LAST', cell: (user) => timeOf(user.lastAt) },
    { title: 'VERSIONS', minWidth: 8, cell: (user) => listOf(user.versions) },
    { title: 'ADDRESSES', minWidth: 9, dropOrder: 5, cell: (user) => listOf(user.addresses) },
    { title: 'AGENTS', dropOrder: 6, cell: (user) => listOf(user.userAgents) },
  ],
}

function keyOf({ keyId, keyState }: PackageUser): string {
  if (keyId === null) return '-'
  return keyState === 'revoked' || keyState === 'expired' ? `${keyId} (${keyState})` : keyId
}

function bytesOf({ use, bytesSent, bytesReceived }: PackageUser): number {
  return use === 'upload' ? bytesReceived : bytesSent
}

function timeOf(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}

function listOf({ values, more }: Sample): string {
  const listed = values.map((value) => (value === '' ? '-' : value)).join(', ')
  return more > 0 ? `${listed} and ${more} more` : listed
}
