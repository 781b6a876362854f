/** Closes a `switch` over a closed union: a new member becomes a type error here, and a throw if one slips through. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`)
}
