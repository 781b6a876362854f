import { isPlain, recipe, secretFile, USER, type ClientRecipe } from './recipe.ts'

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** A Groovy string in single quotes. */
function groovy(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

export const maven: ClientRecipe = {
  kinds: ['maven'],
  recipeFor: ({ url, key }) =>
    recipe({
      files: [
        secretFile('~/.m2/settings.xml', [
          '<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0">',
          '  <servers>',
          `    <server><id>waybill</id><username>${USER}</username><password>${xml(key)}</password></server>`,
          '  </servers>',
          '  <mirrors>',
          `    <mirror><id>waybill</id><mirrorOf>*</mirrorOf><url>${xml(url.href)}</url></mirror>`,
          '  </mirrors>',
          '</settings>',
        ]),
      ],
      examples: ['mvn package', `mvn deploy -DaltDeploymentRepository=waybill::default::${url.href}`],
      notes: [
        'Merge it with a settings.xml that is there already. To deploy, the key needs the scope to write.',
      ],
    }),
}

export const gradle: ClientRecipe = {
  kinds: ['maven'],
  recipeFor: (place) =>
    recipe({
      files: [
        secretFile('~/.gradle/init.d/waybill.gradle', [
          'allprojects {',
          '  repositories {',
          '    maven {',
          `      url ${groovy(place.url.href)}`,
          ...(isPlain(place)
            ? ["      if (it.hasProperty('allowInsecureProtocol')) allowInsecureProtocol = true"]
            : []),
          `      credentials { username = ${groovy(USER)}; password = ${groovy(place.key)} }`,
          '    }',
          '  }',
          '}',
        ]),
      ],
      examples: ['gradle build'],
      notes: [
        'Repositories that a build names itself are asked as well: take them out, or they are used without the gateway.',
      ],
    }),
}
