/** Pseudonym in Via fields of a gateway with this id. */
export function viaOf(id: string): string {
  return `waybill-${id.slice(0, 8)}`
}
