import { isPlain, plainFile, recipe, secretFile, type ClientPlace, type ClientRecipe } from './recipe.ts'

/** Old lock files name another registry; npm asks the gateway for those files only when it is told to. */
const LOCK_FILES =
  'Lock files made before the gateway hold the addresses of the registry they were made with, and npm goes there directly: add replace-registry-host=<its host> to .npmrc, or make them anew.'

/** The address without its scheme, as .npmrc names what a token is for. */
function bareAddress({ url }: ClientPlace): string {
  return `//${url.host}${url.pathname}`
}

function npmrc(place: ClientPlace, more: readonly string[] = []): ReturnType<typeof secretFile> {
  return secretFile('~/.npmrc', [
    `registry=${place.url.href}`,
    `${bareAddress(place)}:_authToken=${place.key}`,
    ...more,
  ])
}

export const npm: ClientRecipe = {
  kinds: ['npm'],
  recipeFor: (place) =>
    recipe({
      files: [npmrc(place)],
      examples: ['npm ping', 'npm install'],
      notes: [LOCK_FILES],
    }),
}

export const pnpm: ClientRecipe = {
  kinds: ['npm'],
  recipeFor: (place) => recipe({ files: [npmrc(place)], examples: ['pnpm install'] }),
}

export const yarn1: ClientRecipe = {
  kinds: ['npm'],
  recipeFor: (place) =>
    recipe({
      files: [npmrc(place, ['always-auth=true']), plainFile('~/.yarnrc', [`registry "${place.url.href}"`])],
      examples: ['yarn install'],
      notes: [
        'Without always-auth=true Yarn 1 sends no token for packages without a scope.',
        'yarn.lock names the registry it was made with: make it anew, or replace the addresses in it.',
      ],
    }),
}

export const yarn: ClientRecipe = {
  kinds: ['npm'],
  recipeFor: (place) =>
    recipe({
      files: [
        secretFile('~/.yarnrc.yml', [
          `npmRegistryServer: ${JSON.stringify(place.url.href)}`,
          `npmAuthToken: ${JSON.stringify(place.key)}`,
          'npmAlwaysAuth: true',
          ...(isPlain(place) ? ['unsafeHttpWhitelist:', `  - ${JSON.stringify(place.url.hostname)}`] : []),
        ]),
      ],
      examples: ['yarn install'],
      notes: [
        'For Yarn 2 and later; Yarn 1 is yarn1.',
        'Without npmAlwaysAuth Yarn sends no token for packages without a scope.',
      ],
    }),
}

export const bun: ClientRecipe = {
  kinds: ['npm'],
  recipeFor: ({ url, key }) =>
    recipe({
      files: [
        secretFile('~/.bunfig.toml', [
          '[install]',
          `registry = { url = ${JSON.stringify(url.href)}, token = ${JSON.stringify(key)} }`,
        ]),
      ],
      examples: ['bun install'],
    }),
}
