import { identifyCargo } from './identify/cargo.ts'
import { ecosystem } from './kind.ts'

export const cargo = ecosystem('cargo', { identify: identifyCargo })
