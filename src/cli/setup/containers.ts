import {
  isPlain,
  recipe,
  RecipeError,
  shellWord,
  USER,
  type ClientPlace,
  type ClientRecipe,
  type Recipe,
} from './recipe.ts'

/** Clients ask for everything below it, at the root of a host (OCI Distribution Specification, "Endpoints"). */
const API = '/v2/'

/** Name that images have in front of their own: `artifacts.example.com/docker/`. */
export function imagePrefix({ url, route }: ClientPlace): string {
  if (!url.pathname.startsWith(API))
    throw new RecipeError(
      `container clients ask at /v2/ of a host: route ${route} at ${url.pathname} needs the path /v2/${route}/, or a host of its own with the path /v2/, and a public URL without a path`,
    )
  return url.host + url.pathname.slice(API.length - 1)
}

function login(program: string, place: ClientPlace, insecure: string): Recipe {
  const prefix = imagePrefix(place)
  const { host } = place.url
  const flag = isPlain(place) ? insecure : ''
  return recipe({
    commands: [
      `printf %s ${shellWord(place.key)} | ${program} login${flag} --username ${USER} --password-stdin ${host}`,
    ],
    examples: [`${program} pull${flag} ${prefix}<image>:<tag>`],
  })
}

export const docker: ClientRecipe = {
  kinds: ['oci'],
  recipeFor: (place) => ({
    ...login('docker', place, ''),
    notes: isPlain(place)
      ? [
          `Without TLS docker speaks to localhost only, or to what "insecure-registries": ["${place.url.host}"] in its daemon.json names.`,
        ]
      : [],
  }),
}

export const podman: ClientRecipe = {
  kinds: ['oci'],
  recipeFor: (place) => login('podman', place, ' --tls-verify=false'),
}

/** helm 3.17 pulls and pushes with --plain-http and does not know it at login, where it takes localhost for plain; helm 4 needs it. */
const PLAIN_LOGIN = '$(helm registry login --help | grep -om1 -e --plain-http)'

export const helm: ClientRecipe = {
  kinds: ['helm', 'oci'],
  recipeFor: (place) => {
    const { url, key, route } = place
    const isChartRepository = !url.pathname.startsWith(API)
    const word = shellWord(key)
    if (isChartRepository)
      return recipe({
        commands: [
          `printf %s ${word} | helm repo add ${route} ${url.href} --username ${USER} --password-stdin`,
          `helm repo update ${route}`,
        ],
        examples: [`helm install <release> ${route}/<chart>`],
      })
    const plain = isPlain(place) ? ' --plain-http' : ''
    const plainLogin = isPlain(place) ? ` ${PLAIN_LOGIN}` : ''
    return recipe({
      commands: [
        `printf %s ${word} | helm registry login${plainLogin} --username ${USER} --password-stdin ${url.host}`,
      ],
      examples: [`helm pull${plain} oci://${imagePrefix(place)}<chart> --version <version>`],
    })
  },
}
