import type { RouteKind } from '../model/route.ts'
import { git } from './git.ts'
import { artifactKind, type ArtifactKind } from './kind.ts'
import { npm } from './npm.ts'

/** All that Waybill knows of ecosystems. One that is here by its name alone has nothing that sets it apart yet. */
export const ARTIFACT_KINDS: Readonly<Record<RouteKind, ArtifactKind>> = {
  npm,
  pypi: artifactKind('pypi'),
  maven: artifactKind('maven'),
  oci: artifactKind('oci'),
  cargo: artifactKind('cargo'),
  go: artifactKind('go'),
  helm: artifactKind('helm'),
  apt: artifactKind('apt'),
  git,
  generic: artifactKind(''),
  integration: artifactKind(''),
}
