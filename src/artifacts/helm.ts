import { ecosystem } from './kind.ts'

export const helm = ecosystem('helm')
