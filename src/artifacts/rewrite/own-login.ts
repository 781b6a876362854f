import type { Route } from '../../model/route.ts'

/** Whether the gateway has credentials of its own at the upstream, wherever they come from. */
export function hasLogin({ upstream }: Route): boolean {
  return upstream.authorization !== null || upstream.hasLogin === true
}
