import type { Route } from '../model/route.ts'

/**
 * The field in which senders of a route have the secret itself, lower case, with the value that the first secret makes; null where they sign.
 * It is kept nowhere, and put there anew for each attempt to deliver.
 */
export function secretField({ signature }: Route): readonly [string, string] | null {
  if (signature === null) return null
  const [secret = ''] = signature.secrets
  if (signature.scheme === 'gitlab') return ['x-gitlab-token', secret]
  if (signature.scheme === 'token') return [signature.tokenHeader ?? '', secret]
  if (signature.scheme !== 'basic') return null
  return ['authorization', `Basic ${Buffer.from(secret).toString('base64')}`]
}
