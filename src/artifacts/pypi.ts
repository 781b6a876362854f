import { identifyPypi } from './identify/pypi.ts'
import { ecosystem } from './kind.ts'
import { pypiPages } from './rewrite/pypi-documents.ts'

export const pypi = ecosystem('pypi', {
  holdMs: 10_000,
  formats: ['pypi'],
  identify: identifyPypi,
  documents: [pypiPages],
})
