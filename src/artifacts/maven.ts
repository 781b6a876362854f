import { ecosystem } from './kind.ts'

export const maven = ecosystem('maven')
