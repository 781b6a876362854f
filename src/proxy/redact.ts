import { KEY_IN_TEXT, maskKeys } from '../model/api-key.ts'

/**
 * Query parameters whose values are credentials: of presigned addresses (Amazon, Google, Azure), OAuth (RFC 6750 §2.3) and
 * of common APIs. Matched on the whole name, without regard to case.
 */
const SECRET_PARAMETER =
  /([?&](?:access_?token|refresh_?token|id_?token|auth_?token|private_?token|token|api_?key|apikey|key|secret|client_?secret|password|passwd|pwd|signature|sig|code|assertion|x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature|x-goog-credential|awsaccesskeyid|auth|authorization|jwt|session)=)[^&]*/gi

/** A path with query as it may be kept: credentials in the query and gateway keys anywhere are masked. */
export function redactPath(path: string, query: string): string {
  const whole = query === '' ? path : path + query.replace(SECRET_PARAMETER, '$1***')
  return redactText(whole)
}

/** A text with gateway keys masked down to their public id. */
export function redactText(text: string): string {
  return text.includes(KEY_IN_TEXT) ? maskKeys(text) : text
}
