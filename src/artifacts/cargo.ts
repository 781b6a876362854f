import { ecosystem } from './kind.ts'

export const cargo = ecosystem('cargo')
