import { docker, helm, podman } from './containers.ts'
import { gradle, maven } from './jvm.ts'
import { bun, npm, pnpm, yarn, yarn1 } from './npm-family.ts'
import { apt, cargo, curl, git, go } from './others.ts'
import { pip, poetry, twine, uv } from './python.ts'
import type { ClientRecipe } from './recipe.ts'

/** The clients that `waybill setup` knows, by name. */
export const CLIENTS: ReadonlyMap<string, ClientRecipe> = new Map(
  Object.entries({
    npm,
    pnpm,
    yarn,
    yarn1,
    bun,
    pip,
    uv,
    poetry,
    twine,
    maven,
    gradle,
    docker,
    podman,
    cargo,
    go,
    helm,
    apt,
    git,
    curl,
  }),
)
