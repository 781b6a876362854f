import type { Coverage } from '../../../model/artifact/coverage.ts'
import type { PackageUsers, Sample } from '../../../model/artifact/package-use.ts'
import {
  coverageOutput,
  userOf,
  verdictOf,
  whoDocument,
  type WhoQuestion,
} from '../../../model/artifact/who-document.ts'
import type { Io } from '../../output/io.ts'
import { type Format, printListing } from '../../output/listing.ts'
import { writeOut } from '../../output/output.ts'
import { escapeUnsafe, safeJson } from '../../output/text.ts'
import type { WhoDocument } from '../../plane/remote/remote-reports.ts'
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
      const { likeNamed } = users
      await printVerdict(io, format, { ...question, likeNamed, gaps, answer: verdictOf(coverage, users) })
    },
  }
}

/** Prints an answer of the API as that of a database. */
export async function printDocument(io: Io, format: Format, found: WhoDocument): Promise<void> {
  const { answer, coverage } = found
  if (format === 'json') return await writeOut(io.stdout, `${safeJson(found)}\n`)
  await printListing(io, format, USER_SHAPE, found.users.map(userOf))
  if (format === 'ndjson') return await writeOut(io.stdout, `${safeJson({ answer, coverage })}\n`)
  await printVerdict(io, format, { ...found, gaps: coverage.gaps })
}

interface Verdict extends Pick<WhoQuestion, 'ignoredQualifiers'>, Pick<PackageUsers, 'likeNamed'> {
  readonly gaps: readonly string[]
  readonly answer: string
}

async function printVerdict(io: Io, format: Format, verdict: Verdict): Promise<void> {
  const lines = [...notesOf(verdict), ...verdict.gaps.map((line) => `gap: ${line}`), verdict.answer]
  const text = lines.map((line) => `${escapeUnsafe(line)}\n`).join('')
  if (format === 'csv') io.stderr.write(text)
  else await writeOut(io.stdout, `\n${text}`)
}

function notesOf({ ignoredQualifiers, likeNamed }: Omit<Verdict, 'gaps' | 'answer'>): string[] {
  const notes = ignoredQualifiers.map(
    (key) => `note: the qualifier ${key} is not recorded, and does not narrow`,
  )
  if (likeNamed.values.length > 0) notes.push(`note: other packages of such a name: ${listOf(likeNamed)}`)
  return notes
}

function listOf({ values, more }: Sample): string {
  return values.join(', ') + (more > 0 ? ` and ${more} more` : '')
}
