/** A value of the field Authorization, and what is secret within it: a token alone, a password. */
export function credentialTexts(authorization: string): string[] {
  const bare = authorization.replace(/^[A-Za-z]+ +/, '')
  if (!/^Basic /i.test(authorization)) return [authorization, bare]
  const pair = Buffer.from(bare, 'base64').toString()
  return [authorization, bare, pair.slice(pair.indexOf(':') + 1)]
}

/** The password in a URL: the rest of it says in errors which server is meant. */
export function urlPassword(url: string): string[] {
  return URL.canParse(url) ? [decodeURIComponent(new URL(url).password)] : []
}
