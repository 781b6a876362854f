/** What a 401 (RFC 9110 §11.6.1) is made from. */
export interface ChallengeQuestion {
  /** Why, in words. */
  readonly sentence: string
  readonly method: string
  /** The path by which the route was found. */
  readonly path: string
  /** Address at which clients reach the gateway, without a slash at its end: `https://host:8443`; null when nobody said it. */
  readonly base: string | null
  /** What a token has to be meant for: host of that address, with port. */
  readonly service: string
  /** Whether a route of the kind, at that host, asks for no key. */
  readonly hasPublic: boolean
  /** What is wrong with the token that was presented (RFC 6750 §3.1); null for no token. */
  readonly tokenError: 'invalid_token' | 'insufficient_scope' | null
}

/** Fields of a 401: name, value, …. Pure; never throws. */
export type Challenge = (question: ChallengeQuestion) => readonly string[]

export const BASIC = 'Basic realm="Waybill", charset="UTF-8"'

/** Both, and Basic first: maven and git never send credentials without a Basic challenge. */
const BASIC_OR_BEARER = ['WWW-Authenticate', `${BASIC}, Bearer realm="Waybill"`]

/** For clients that know nothing but the field. */
export const basicOrBearer: Challenge = () => BASIC_OR_BEARER
