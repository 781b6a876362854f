/**
 * Fields that may go to a host that is not the route's upstream. A list of what may, as nobody knows all names under which clients send
 * what is secret: none of Authorization, Cookie, X-Api-Key, Private-Token and their like, nor who the client is.
 */
const MAY_PASS =
  /^(?:accept|accept-(?:encoding|language|charset|ranges)|range|if-(?:match|none-match|modified-since|unmodified-since|range)|content-(?:type|length|encoding|language|md5|range|disposition)|user-agent|cache-control|pragma|date|te|via|x-request-id|traceparent)$/i
/** What stores of objects are told of an upload (Amazon's, Azure's, Google's); a signature over it is in the address. */
const OF_STORES = /^(?:x-amz|x-ms|x-goog)-[a-z0-9-]{1,64}$/i
const SECRET_OF_STORES = /token|key|auth|secret|sign/i

/** Those of a request's fields (name, value, …) that are for any host; nothing in them is the upstream's or the client's secret. */
export function strangerHeaders(headers: readonly string[]): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    const mayPass = MAY_PASS.test(name) || (OF_STORES.test(name) && !SECRET_OF_STORES.test(name))
    if (mayPass) kept.push(name, headers[i + 1] ?? '')
  }
  return kept
}
