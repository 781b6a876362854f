import type { Route, RouteKind } from '../model/route.ts'
import { apt } from './apt.ts'
import { cargo } from './cargo.ts'
import { generic } from './generic.ts'
import { git } from './git.ts'
import { go } from './go.ts'
import { helm } from './helm.ts'
import { integration } from './integration.ts'
import type { Ecosystem } from './kind.ts'
import { maven } from './maven.ts'
import { npm } from './npm.ts'
import { nuget } from './nuget.ts'
import { oci } from './oci.ts'
import { pypi } from './pypi.ts'
import { rubygems } from './rubygems.ts'

/** All that Waybill knows of ecosystems. */
export const ECOSYSTEMS: Readonly<Record<RouteKind, Ecosystem>> = {
  npm,
  pypi,
  maven,
  oci,
  cargo,
  go,
  helm,
  apt,
  git,
  nuget,
  rubygems,
  generic,
  integration,
}

/** The kind whose client asks, where no route says it: registries are asked below `/v2/` at any host (distribution specification). */
export function kindOfClient(route: Route | null, path: string): RouteKind {
  return route?.kind ?? (path.startsWith('/v2/') ? 'oci' : 'generic')
}
