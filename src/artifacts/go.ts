import { identifyGo } from './identify/go.ts'
import { ecosystem } from './kind.ts'

// `go` shows a body if it is plain text, and nothing of any other.
export const go = ecosystem('go', {
  holdMs: 60_000,
  purlType: 'golang',
  formats: ['go'],
  identify: identifyGo,
  refusalForm: () => 'text',
})
