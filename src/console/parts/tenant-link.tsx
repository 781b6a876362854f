/** In the place of a name, where a request could not be attributed. */
export function NotAttributed() {
  return <span class="soft">not attributed</span>
}

/** A tenant's slug, which leads to its view; null or '' for requests that could not be attributed. */
export function TenantLink({ of: slug }: { readonly of: string | null }) {
  return slug === null || slug === '' ? <NotAttributed /> : <a href={`/tenants/${slug}`}>{slug}</a>
}
