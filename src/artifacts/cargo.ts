import { identifyCargo } from './identify/cargo.ts'
import { ecosystem, type RefusedRequest } from './kind.ts'
import { cargoConfig } from './rewrite/cargo-documents.ts'

export const cargo = ecosystem('cargo', {
  holdMs: 20_000,
  formats: ['cargo'],
  identify: identifyCargo,
  documents: [cargoConfig],
  // cargo shows the body of an index file or a crate as it is, and reads `errors[].detail` of its web API's.
  refusalForm: (request) => (asksWebApi(request) ? 'problem' : 'text'),
})

/** Publish, yank, owners, search (cargo's reference, "Web API"), which is where downloads are by default, too. */
function asksWebApi({ rest }: RefusedRequest): boolean {
  return rest.startsWith('/api/v1/') && !rest.endsWith('/download')
}
