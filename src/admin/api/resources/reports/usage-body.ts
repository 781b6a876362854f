import { z } from '@hono/zod-openapi'
import { TIME } from '../../operation.ts'

const ROW = z
  .strictObject({
    day: z.iso.date(),
    tenant: z.string().nullable(),
    route: z.string().nullable(),
    requests: z.int().openapi({ description: 'Served; errors and bytes are theirs.' }),
    errors_4xx: z.int(),
    errors_5xx: z.int(),
    bytes_received: z.int(),
    bytes_sent: z.int(),
    refused_auth: z.int(),
    refused_limit: z.int(),
    refused_other: z.int(),
    refused_bytes_received: z.int(),
    refused_bytes_sent: z.int(),
  })
  .openapi('UsageRow')

/** The answer of GET /usage. */
export const USAGE = z
  .strictObject({
    since: TIME,
    until: TIME,
    timezone: z.string(),
    usage: z.array(ROW),
    isTruncated: z.boolean().openapi({ description: 'There are more rows than an answer has.' }),
  })
  .openapi('Usage')
