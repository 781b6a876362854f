import { identifyPypi } from './identify/pypi.ts'
import { ecosystem } from './kind.ts'

export const pypi = ecosystem('pypi', { formats: ['pypi'], identify: identifyPypi })
