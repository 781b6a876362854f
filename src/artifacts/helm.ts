import { identifyHelm } from './identify/helm.ts'
import { ecosystem } from './kind.ts'
import { helmIndex } from './rewrite/helm-documents.ts'

export const helm = ecosystem('helm', {
  holdMs: 60_000,
  formats: ['helm'],
  identify: identifyHelm,
  documents: [helmIndex],
})
