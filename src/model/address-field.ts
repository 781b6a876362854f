/** Fields in which trusted proxies write the client's address; `auto` is the first of the others that is there. */
export const ADDRESS_FIELDS = ['auto', 'x-forwarded-for', 'forwarded', 'x-real-ip'] as const
export type AddressField = (typeof ADDRESS_FIELDS)[number]
