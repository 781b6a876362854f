import {
  isPlain,
  plainFile,
  recipe,
  secretFile,
  USER,
  withKey,
  type ClientPlace,
  type ClientRecipe,
} from './recipe.ts'

const INDEX = 'simple/'
const INDEX_NOTE = 'The index is expected at simple/ below the route, as repositories have it.'
const UPLOAD_NOTE =
  'To publish, the key needs the scope to write. Repositories that take uploads below the route, such as at legacy/, need that added to the address of the upload.'

export const pip: ClientRecipe = {
  kinds: ['pypi'],
  recipeFor: (place) =>
    recipe({
      files: [
        secretFile('~/.config/pip/pip.conf', [
          '[global]',
          `index-url = ${withKey(place, INDEX)}`,
          ...(isPlain(place) ? [`trusted-host = ${place.url.hostname}`] : []),
        ]),
      ],
      examples: ['pip install <package>'],
      notes: [INDEX_NOTE],
    }),
}

export const uv: ClientRecipe = {
  kinds: ['pypi'],
  recipeFor: (place) =>
    recipe({
      environment: {
        UV_DEFAULT_INDEX: withKey(place, INDEX),
        ...(isPlain(place) ? { UV_INSECURE_HOST: place.url.host } : {}),
      },
      examples: ['uv pip install <package>'],
      notes: [INDEX_NOTE],
    }),
}

export const poetry: ClientRecipe = {
  kinds: ['pypi'],
  recipeFor: (place) =>
    recipe({
      files: [
        plainFile('pyproject.toml (to be added)', [
          '[[tool.poetry.source]]',
          'name = "waybill"',
          `url = ${JSON.stringify(new URL(INDEX, place.url).href)}`,
          'priority = "primary"',
        ]),
      ],
      environment: { ...basicOf(place), POETRY_REPOSITORIES_WAYBILL_URL: place.url.href },
      examples: ['poetry install', 'poetry publish --build --repository waybill'],
      notes: [
        INDEX_NOTE,
        UPLOAD_NOTE,
        'Poetry before 1.5 wants default = true in place of priority = "primary".',
      ],
    }),
}

function basicOf({ key }: ClientPlace): Record<string, string> {
  return { POETRY_HTTP_BASIC_WAYBILL_USERNAME: USER, POETRY_HTTP_BASIC_WAYBILL_PASSWORD: key }
}

export const twine: ClientRecipe = {
  kinds: ['pypi'],
  recipeFor: ({ url, key }) =>
    recipe({
      files: [
        secretFile('~/.pypirc', [
          '[distutils]',
          'index-servers = waybill',
          '',
          '[waybill]',
          `repository = ${url.href}`,
          `username = ${USER}`,
          `password = ${key}`,
        ]),
      ],
      examples: ['twine upload --repository waybill dist/*'],
      notes: [UPLOAD_NOTE],
    }),
}
