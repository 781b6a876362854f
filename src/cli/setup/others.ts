import { ROUTE_KINDS } from '../../model/route.ts'
import {
  isPlain,
  netrcLine,
  plainFile,
  recipe,
  secretFile,
  shellWord,
  USER,
  withKey,
  type ClientRecipe,
} from './recipe.ts'

export const cargo: ClientRecipe = {
  kinds: ['cargo'],
  recipeFor: ({ url, key }) =>
    recipe({
      files: [
        plainFile('~/.cargo/config.toml', [
          '[registries.waybill]',
          `index = ${JSON.stringify(`sparse+${url.href}`)}`,
          '',
          '[registry]',
          'default = "waybill"',
          'global-credential-providers = ["cargo:token"]',
          '',
          '[source.crates-io]',
          'replace-with = "waybill"',
        ]),
        secretFile('~/.cargo/credentials.toml', ['[registries.waybill]', `token = ${JSON.stringify(key)}`]),
      ],
      examples: ['cargo fetch', 'cargo publish --registry waybill'],
      notes: [
        'The sparse index, with its config.json, is expected at the route itself. A repository that has it elsewhere, such as at index/, needs that added.',
      ],
    }),
}

export const go: ClientRecipe = {
  kinds: ['go'],
  recipeFor: (place) =>
    recipe({
      files: [secretFile('~/.netrc', [netrcLine(place)])],
      environment: { GOPROXY: place.url.href.slice(0, -1) },
      examples: ['go mod download'],
      notes: [
        'netrc knows hosts and no ports.',
        'Modules that the checksum database does not know need GONOSUMDB, or GOPRIVATE with GONOPROXY=none.',
        ...(isPlain(place) ? ['go sends no credentials over plain http: the gateway has to have TLS.'] : []),
      ],
    }),
}

export const apt: ClientRecipe = {
  kinds: ['apt'],
  recipeFor: (place) => {
    const { url, key } = place
    // Over plain http apt sends nothing unless the scheme is named (apt_auth.conf(5)), and it wants the port there.
    const machine = isPlain(place) ? `http://${url.host}` : `${url.host}${url.pathname}`
    return recipe({
      files: [
        secretFile('/etc/apt/auth.conf.d/waybill.conf', [`machine ${machine} login ${USER} password ${key}`]),
        plainFile('/etc/apt/sources.list.d/waybill.list', [`deb ${url.href} <suite> <component>`]),
      ],
      examples: ['apt-get update'],
      notes: ['Put the suite and components of the repository into the list, and signed-by with its key.'],
    })
  },
}

export const git: ClientRecipe = {
  kinds: ['git'],
  recipeFor: (place) => {
    const at = new URL(withKey(place))
    at.pathname = ''
    return recipe({
      files: [secretFile('~/.git-credentials', [at.href.replace(/\/$/, '')])],
      commands: ['git config --global credential.helper store'],
      examples: [`git clone ${place.url.href}<repository>.git`],
      notes: [
        'git sends no credentials before it is asked for them, and takes these for everything at this host and port.',
      ],
    })
  },
}

export const curl: ClientRecipe = {
  kinds: ROUTE_KINDS,
  recipeFor: ({ url, key }) =>
    recipe({
      files: [secretFile('~/.config/waybill.curl', [`header = "Authorization: Bearer ${key}"`])],
      examples: [
        `curl --fail-with-body --config ~/.config/waybill.curl --remote-name ${shellWord(`${url.href}<path>`)}`,
      ],
      notes: ['In a file the key does not stand in the list of processes.'],
    }),
}
