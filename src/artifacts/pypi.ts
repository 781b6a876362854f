import { ecosystem } from './kind.ts'

export const pypi = ecosystem('pypi')
