import type { Coverage } from '../../../model/artifact/coverage.ts'
import type { PackageUsers, Sample } from '../../../model/artifact/package-use.ts'
import {
  coverageOutput,
  verdictOf,
  whoDocument,
  type WhoQuestion,
} from '../../../model/artifact/who-document.ts'
import type { Io } from '../../output/io.ts'
import { type Format, printListing } from '../../output/listing.ts'
import { writeOut } from '../../output/output.ts'
import { escapeUnsafe, safeJson } from '../../output/text.ts'
import { USER_SHAPE } from './who-shape.ts'

/** Prints an answer in two steps: the second may take a while. */
export interface WhoReport {
  users(users: PackageUsers): Promise<void>
  coverage(users: PackageUsers, coverage: Coverage, gaps: readonly string[]): Promise<void>
}

/**
 * Starts an answer on stdout. JSON is one object; of NDJSON the last line is the coverage; CSV has rows alone, and the coverage goes to stderr.
 */
export function openReport(io: Io, format: Format, question: WhoQuestion): WhoReport {
  if (format === 'json') {
    return {
      users: () => Promise.resolve(),
      coverage: (users, coverage, gaps) =>
        writeOut(io.stdout, `${safeJson(whoDocument(question, users, coverage, gaps))}\n`),
    }
  }
  return {
    users: (users) => printListing(io, format, USER_SHAPE, users.users),
    coverage: async (users, coverage, gaps) => {
      if (format === 'ndjson') {
        const answer = verdictOf(coverage, users)
        await writeOut(
          io.stdout,
          `${safeJson({ answer, coverage: coverageOutput(coverage, users, gaps) })}\n`,
        )
        return
      }
      const lines = [
        ...notesOf(question, users),
        ...gaps.map((line) => `gap: ${line}`),
        verdictOf(coverage, users),
      ]
      const text = lines.map((line) => `${escapeUnsafe(line)}\n`).join('')
      if (format === 'csv') io.stderr.write(text)
      else await writeOut(io.stdout, `\n${text}`)
    },
  }
}

function notesOf({ ignoredQualifiers }: WhoQuestion, { likeNamed }: PackageUsers): string[] {
  const notes = ignoredQualifiers.map(
    (key) => `note: the qualifier ${key} is not recorded, and does not narrow`,
  )
  if (likeNamed.values.length > 0) notes.push(`note: other packages of such a name: ${listOf(likeNamed)}`)
  return notes
}

function listOf({ values, more }: Sample): string {
  return values.join(', ') + (more > 0 ? ` and ${more} more` : '')
}
