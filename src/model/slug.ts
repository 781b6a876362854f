/** Tenant and route slugs, one rule for CLI, API, server and database. */
export const SLUG_PATTERN = /^[a-z0-9][a-z0-9-]{0,62}$/

/** Says what is wrong with a slug, or null when it is valid. */
export function slugProblem(slug: string): string | null {
  if (SLUG_PATTERN.test(slug)) return null
  return `"${slug.slice(0, 80)}" is not a valid slug: 1 to 63 of a-z, 0-9 and -, starting with a letter or digit`
}
