import type { Candidate } from './harness/candidate.ts'
import {
  caddy,
  direct,
  fastifyHttpProxy,
  goReverseProxy,
  goReverseProxyWithPool,
  haproxy,
  httpProxy,
  httpProxy3,
  httpxy,
  nginx,
} from './candidates/bare.ts'
import { naive } from './candidates/naive.ts'
import { waybills } from './candidates/waybill.ts'

/** All that can be compared, in the order of the first round. Neighbours of a goal's ratio stand close together. */
export const CANDIDATES: readonly Candidate[] = [
  direct,
  haproxy,
  caddy,
  httpProxy3,
  httpxy,
  fastifyHttpProxy,
  nginx,
  goReverseProxyWithPool,
  goReverseProxy,
  httpProxy,
  ...waybills,
  naive,
]
