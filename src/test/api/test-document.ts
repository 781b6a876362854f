import { buildApi } from '../../admin/api/app.ts'
import { documentOf } from '../../admin/api/document.ts'
import type { ApiSources } from '../../admin/api/sources.ts'
import { EMPTY_QUERIES } from '../admin.ts'

/** For tests: the document of the API, which needs neither a database nor a gateway. */
export function testDocument(): ReturnType<typeof documentOf> {
  const sources = {
    served: { queries: EMPTY_QUERIES },
    oidc: () => null,
    receivers: () => [],
    token: '',
    host: '127.0.0.1',
  } as unknown as ApiSources
  return documentOf(buildApi(sources), '1.2.3')
}
