// Made of the OpenAPI document by src/test/api/client-types.ts: `WAYBILL_UPDATE_SNAPSHOT=1 npx tap dist/admin/api/client-types.test.js`.

export interface components {
  schemas: {
    "Audit": { "since": string; "until": string; "tenant"?: string; "isComplete": boolean; "instanceCount": number; "batches": (number | null); "waiting": (number | null); "gapCount": number; "settledTo": (string | null); "foldedBatches": (number | null); "batchesSince": (string | null); "isCutByFold": boolean; "weaknesses": (string)[]; "tenants": (components["schemas"]["AuditAccount"])[]; "total": { "accepted": number; "stored": number; "expired": number; "quarantined": number; "dropped": Record<string, number> }; "instances": (components["schemas"]["AuditedInstance"])[]; "gaps": (components["schemas"]["AuditGap"])[]; "isTruncated": boolean }
    "AuditAccount": { "tenant": string; "accepted": number; "stored": number; "expired": number; "quarantined": number; "dropped": Record<string, number> }
    "AuditGap": { "kind": "dropped" | "quarantined" | "spilled" | "missing_batches" | "unaccounted" | "chain_broken" | "unproven" | "died" | "unregistered" | "rows_differ" | "rows_gone" | "vanished" | "cut_short" | "set_aside"; "instance": string; "tenant": (string | null); "entries": (number | null); "entriesAtMost": (number | null); "requestsAtMost": (number | null); "batches": ([number, number] | null); "line": string }
    "AuditSummary": { "isComplete": boolean; "instanceCount": number; "batches": (number | null); "waiting": (number | null); "gapCount": number; "settledTo": (string | null); "foldedBatches": (number | null); "batchesSince": (string | null); "isCutByFold": boolean; "weaknesses": (string)[]; "tenants": (components["schemas"]["AuditAccount"])[]; "total": { "accepted": number; "stored": number; "expired": number; "quarantined": number; "dropped": Record<string, number> } }
    "AuditedInstance": { "id": string; "state": "live" | "ended" | "died" | "unregistered" | "vanished"; "accounts": (components["schemas"]["AuditAccount"])[]; "batches": (number | null); "waiting": (number | null); "host": (string | null); "version": (string | null); "startedAt": (string | null); "lastSeenAt": (string | null); "endedAt": (string | null); "capacityEntries": (number | null); "memoryEntries"?: (number | null); "inFlight"?: (number | null); "inFlightMost"?: (number | null); "underWayCount"?: (number | null); "weaknesses"?: ((string)[] | null); "diedOf"?: "exited" | "gone" | "heir" | null; "journalMs": (number | null); "acceptedSeq": (number | null); "spilledEntries": (number | null) }
    "Change": { "seq": number; "at": string; "actor": string; "via": "api" | "oidc" | "cli" | "job" | "sql"; "from": (string | null); "role": (string | null); "action": string; "subject": string; "name": (string | null); "tenant": (string | null); "before": (Record<string, unknown> | null); "after": (Record<string, unknown> | null) }
    "Clock": { "now": string }
    "Completeness": { "since": string; "until": string; "settledTo": (string | null); "hours": (components["schemas"]["CompletenessHour"])[]; "tenants": (components["schemas"]["CompletenessTenant"])[]; "moreTenants": number }
    "CompletenessHour": { "at": string; "state": "complete" | "so_far" | "gap" | "unproven" | "none"; "accepted": number; "gapCount": number; "gaps": (components["schemas"]["AuditGap"])[] }
    "CompletenessTenant": { "tenant": string; "states": ("complete" | "so_far" | "gap" | "unproven" | "none")[]; "accepted": (number)[] }
    "Coverage": { "state": "complete" | "so_far" | "gaps"; "missing": (string)[]; "unseen": (string)[]; "audit": components["schemas"]["AuditSummary"]; "rows": "counted" | "not counted"; "missingEntries": { "entries": number; "atMost": number; "unknown": number; "doubtful": number }; "gaps": (string)[]; "settledAt": (string | null); "unidentified": ({ "entries": number; "isExact": boolean; "firstAt": string; "lastAt": string } | null); "expired": ({ "days": number; "entries": (number | null); "from": string; "to": string } | null) }
    "DecidedDeliveries": { "n": number; "isMore": boolean }
    "Delivery": { "id": string; "receivedAt": string; "tenant": string; "route": string; "state": "waiting" | "delivered" | "dead" | "dropped" | "coalesced" | "duplicate"; "attempts": number; "nextAt": (string | null); "endedAt": (string | null); "lastStatus": (number | null); "lastReason": (string | null); "senderKey": (string | null); "intoId": (string | null); "redeliveryOf": (string | null); "redeliveredAs": (string | null); "requestId": (string | null); "traceId": (string | null); "bodyBytes": number }
    "DeliveryAccount": { "tenant": string; "accepted": number; "repeated": number; "delivered": number; "waiting": number; "dead": number; "dropped": number; "coalesced": number; "duplicate": number; "missing": number }
    "DeliveryAccounts": { "since": string; "until": string; "isClosed": boolean; "items": (components["schemas"]["DeliveryAccount"])[] }
    "Dropping": { "tenant"?: string; "route"?: string; "since"?: string; "until"?: string; "state": "waiting" | "dead"; "limit"?: number }
    "Entry": { "id": string; "started_at": string; "tenant": (string | null); "key_id": (string | null); "route": (string | null); "kind": (string | null); "method": (string | null); "host": (string | null); "path": (string | null); "status": number; "outcome": string; "reason": (string | null); "bytes_received": number; "bytes_sent": number; "duration_us": number; "upstream_us": (number | null); "upstream": (string | null); "client_ip": (string | null); "user_agent": (string | null); "request_id": (string | null); "trace_id": (string | null); "ecosystem": (string | null); "package": (string | null); "version": (string | null); "purl": (string | null); "artifactKind": (string | null); "qualifiers": (string | null); "upstreamLimit": (string | null); "ruleId": (string | null); "ruleAction": (string | null); "heldMs": (string | null); "instance": string; "seq": (number | null) }
    "EntryFacets": { "isSample": boolean; "rows": number; "n": number; "tenant": ({ "value": (string | null); "n": number })[]; "key": ({ "value": (string | null); "n": number })[]; "route": ({ "value": (string | null); "n": number })[]; "status": ({ "value": (string | null); "n": number })[]; "outcome": ({ "value": (string | null); "n": number })[]; "reason": ({ "value": (string | null); "n": number })[]; "method": ({ "value": (string | null); "n": number })[]; "artifactKind": ({ "value": (string | null); "n": number })[]; "package": ({ "value": (string | null); "n": number })[]; "address": ({ "value": (string | null); "n": number })[] }
    "EntryHistogram": { "isSample": boolean; "rows": number; "stepMs": number; "items": ({ "at": string; "n": number; "errors": number; "refused": number })[] }
    "Event": { "id": string; "message": string; "type": string; "at": string; "data": Record<string, unknown>; "waiting": number; "givenUp": number }
    "EventReceiver": { "name": string; "types": ("key.expiring" | "ledger.gap" | "entries.dropped" | "quarantine.added" | "limit.reached" | "upstream.failing" | "certificate.expiring" | "gateway.not_ready")[]; "isGone": boolean; "waiting": number; "oldestAt": (string | null); "givenUp": number; "attempts": number; "failure": (string | null) }
    "FoundDelivery": (components["schemas"]["Delivery"] & { "entries": (components["schemas"]["Entry"])[] })
    "FoundEntries": { "items": (components["schemas"]["Entry"])[]; "sameTrace": (components["schemas"]["Entry"])[]; "sameClient": (components["schemas"]["Entry"])[] }
    "Gateway": { "instance": string; "host": string; "processId": (number | null); "version": string; "startedAt": string; "lastSeenAt": string; "endedAt": (string | null); "directorySilentMs": (number | null) }
    "Key": { "id": string; "tenant": string; "name": (string | null); "state": "active" | "expired" | "revoked"; "scopes": (string)[]; "allowNetworks": (string)[]; "rateLimit": ({ "perSecond": number; "burst": number } | null); "expiresAt": (string | null); "revokedAt": (string | null); "rotatedTo": (string | null); "createdAt": string; "lastUsedAt": (string | null); "version": number }
    "KeyChanges": { "name"?: (string | null); "rateLimit"?: ({ "perSecond": number; "burst": number } | null); "expires"?: (string | null) }
    "Meta": { "product": "waybill"; "version": string; "now": string; "isTokenRequired": boolean }
    "MintedKey": (components["schemas"]["Key"] & { "key": string })
    "MintedToken": (components["schemas"]["Token"] & { "token": string })
    "NewKey": { "tenant": string; "name"?: (string | null); "scopes": (string)[]; "allowNetworks"?: ((string | string | string | string))[]; "rateLimit"?: ({ "perSecond": number; "burst": number } | null); "expires"?: (string | null) }
    "NewRule": { "package": string; "action"?: "deny" | "warn" | "allow"; "dryRun"?: boolean; "tenants"?: (string)[]; "routes"?: (string)[]; "keys"?: (string)[]; "priority"?: number; "reason": string; "reference"?: string; "expires"?: (string | null); "all"?: boolean }
    "NewToken": { "name": string; "role": "viewer" | "operator" | "admin" | "tenant"; "tenant"?: (string | null); "expires"?: (string | null) }
    "OpenSession": { "id": string; "kind": "token" | "configured" | "oidc"; "name": (string | null); "tokenId": (string | null); "issuer": (string | null); "subject": (string | null); "createdAt": string; "expiresAt": string }
    "Option": { "name": string; "value"?: unknown; "source": string; "actsOn": string; "help": string }
    "Overview": { "ready": boolean; "reasons": ({ "code": string; "detail": string })[]; "warnings"?: ({ "code": string; "detail": string })[]; "version": string; "instance": string; "uptimeMs": number; "requests": { "total": number; "byOutcome": Record<string, number>; "inFlight": number; "connections": number; "upgradedConnections": number; "bytesReceived": number; "bytesSent": number }; "limits": { "refusals": Record<string, number>; "inFlightTenants": number }; "accessLog": { "writerMode": string; "accepted": number; "stored": number; "spilled": number; "quarantined": number; "buffered": number; "dropped": Record<string, number>; "channelEntries": number; "capacityEntries": number; "channelBytes": number; "capacityBytes": number; "oldestUnflushedAgeMs": number; "consecutiveFailures": number; "pendingReplay": (number | null); "canary": ({ "roundTripMs": (number | null); "ageMs": number } | null) }; "directory": { "ageMs": (number | null); "keys": number; "tenants": number }; "database": { "state": "there" | "away" | "unknown"; "sinceMs": number; "silentMs": (number | null); "error": (string | null); "since": string; "isStoring": boolean }; "workers"?: ({ "worker": number; "pid": number; "instance": (string | null); "state": "starting" | "serving" | "leaving" | "ended"; "isReady": boolean; "connections": number; "requests": (number | null); "database": "there" | "away" | "unknown" | null })[] }
    "PackageUser": { "package": string; "tenant": (string | null); "key_id": (string | null); "key_name": (string | null); "key_state": "active" | "expired" | "revoked" | null; "use": "download" | "partial" | "redirected" | "unchanged" | "upload" | "lookup" | "failed" | "refused"; "outcome": (string | null); "requests": number; "bytes_sent": number; "bytes_received": number; "first_at": string; "last_at": string; "versions": (string)[]; "versions_more": number; "addresses": (string)[]; "addresses_more": number; "user_agents": (string)[]; "user_agents_more": number }
    "Problem": { "status": number; "title": string; "code": string; "detail"?: string; "errors"?: ({ "field": string; "detail": string })[] }
    "QuarantineResult": { "state": "stored" | "refused" | "dropped" | "already_resolved"; "code"?: string; "detail"?: string }
    "QuarantinedEntry": { "id": number; "instance": string; "seq": number; "tenant": string; "code": string; "detail": (string | null); "quarantinedAt": string; "resolution": "stored" | "dropped" | null; "resolvedAt": (string | null) }
    "QuarantinedEntryValues": (components["schemas"]["QuarantinedEntry"] & { "entry": (Record<string, (string | null)> | string) })
    "Receipt": { "instance": string; "host": (string | null); "processId": (number | null); "isConfirmed": boolean; "silentMs": number }
    "RedeliveredDelivery": { "id": string; "redeliveryOf": string }
    "Redelivery": { "tenant"?: string; "route"?: string; "since"?: string; "until"?: string; "state"?: "dead" | "delivered" | "dropped"; "limit"?: number }
    "Retention": { "days": (number | null); "isExplicit": boolean }
    "Route": ({ "name": string; "kind": string; "path": string; "host": (string | null); "auth": string } & Record<string, unknown>)
    "RouteNames": { "routes": (string)[] }
    "Rule": { "id": string; "package": string; "action": string; "dryRun": boolean; "state": "active" | "disabled" | "removed"; "tenants": (string)[]; "routes": (string)[]; "keys": (string)[]; "priority": number; "reason": string; "reference": string; "expiresAt": (string | null); "createdBy": string; "createdAt": string; "version": number }
    "RuleTrial": { "answer": string; "decides": ({ "id": string; "action": "deny" | "warn" | "allow" | "would_deny" | "would_warn" | "would_allow" } | null); "rules": ({ "id": string; "package": string; "action": string; "priority": number; "says": string })[] }
    "Series": { "since": string; "until": string; "stepMinutes": (number | null); "isComplete": boolean; "keptSince": (string | null); "points": ({ "at": string; "key": (string | null); "requests": number; "bytesReceived": number; "bytesSent": number; "p50": (number | null); "p95": (number | null); "p99": (number | null) })[] }
    "Session": { "principal": { "name": string; "role": "viewer" | "operator" | "admin" | "tenant"; "tenant": (string | null); "kind": "token" | "configured" | "anonymous" | "oidc" }; "expiresAt": (string | null) }
    "SetAside": { "instance": string; "host": string; "lines": (string)[] }
    "SignInMethods": { "oidc": ({ "label": string; "start": string } | null) }
    "SigningKey": { "kid": string; "createdAt": string; "activeFrom": string; "retiresAt": (string | null) }
    "Tenant": { "slug": string; "state": "active" | "suspended" | "deleted"; "rateLimit": ({ "perSecond": number; "burst": number } | null); "routeRateLimits": Record<string, ({ "perSecond": number; "burst": number } | null)>; "maxConcurrency": (number | null); "logPolicy": "best_effort" | "spill" | "strict"; "version": number; "createdAt": string; "updatedAt": string }
    "TenantNames": { "isInLedger": (boolean | null); "like": (string)[] }
    "TenantSettings": { "rateLimit"?: ({ "perSecond": number; "burst": number } | null); "routeRateLimits"?: Record<string, ({ "perSecond": number; "burst": number } | null)>; "maxConcurrency"?: (number | null); "logPolicy"?: "best_effort" | "spill" | "strict" }
    "Token": { "id": string; "name": string; "role": "viewer" | "operator" | "admin" | "tenant"; "tenant": (string | null); "state": "active" | "expired" | "revoked"; "createdAt": string; "expiresAt": (string | null); "revokedAt": (string | null); "lastUsedAt": (string | null) }
    "TopPackages": { "since": string; "until": string; "packages": ({ "ecosystem": (string | null); "package": string; "requests": number; "downloads": number; "bytesSent": number })[] }
    "Upstream": { "route": string; "upstream": string; "states": { "open"?: number; "half_open"?: number; "ejected"?: number; "unhealthy"?: number; "serving"?: number }; "changes": { "open"?: number; "half_open"?: number; "ejected"?: number; "unhealthy"?: number; "serving"?: number } }
    "Usage": { "since": string; "until": string; "timezone": string; "usage": (components["schemas"]["UsageRow"])[]; "isTruncated": boolean }
    "UsageGroups": { "since": string; "until": string; "isComplete": boolean; "groups": (Record<string, (number | string | null)>)[]; "previous": ((Record<string, (number | string | null)>)[] | null) }
    "UsageRow": { "day": string; "tenant": (string | null); "route": (string | null); "requests": number; "errors_4xx": number; "errors_5xx": number; "bytes_received": number; "bytes_sent": number; "refused_auth": number; "refused_limit": number; "refused_other": number; "refused_bytes_received": number; "refused_bytes_sent": number }
    "WhoAnswer": { "package": string; "range": (string | null); "tenant": (string | null); "route": (string | null); "ignoredQualifiers": (string)[]; "since": (string | null); "until": (string | null); "answer": string; "userCount": number; "unversioned": number; "incomparable": number; "incomparableVersions": { "values": (string)[]; "more": number }; "likeNamed": { "values": (string)[]; "more": number }; "isCut": boolean; "users": (components["schemas"]["PackageUser"])[]; "coverage": components["schemas"]["Coverage"] }
  }
}

export interface paths {
  "/api/v1/session": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Session"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody: { content: { "application/json": { "token": string } } }; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Session"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 204: { headers: { [name: string]: unknown }; content?: never }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/session/methods": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["SignInMethods"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/session/oidc": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "returnTo"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 303: { headers: { [name: string]: unknown }; content?: never }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/session/oidc/callback": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 303: { headers: { [name: string]: unknown }; content?: never }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/meta": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Meta"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/clock": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Clock"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/overview": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Overview"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/tenants": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "limit"?: number; "cursor"?: string; "deleted"?: "true" | "false" }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Tenant"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/tenants/{slug}": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path: { "slug": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Tenant"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put: { parameters: { query?: never; header?: never; path: { "slug": string }; cookie?: never }; requestBody: { content: { "application/json": components["schemas"]["TenantSettings"] } }; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Tenant"] } }; 201: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Tenant"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    post?: never
    delete: { parameters: { query?: never; header?: never; path: { "slug": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Tenant"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    patch: { parameters: { query?: never; header?: never; path: { "slug": string }; cookie?: never }; requestBody: { content: { "application/json": components["schemas"]["TenantSettings"] } }; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Tenant"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/tenants/{slug}/receipts": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path: { "slug": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Receipt"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/tenants/{slug}/suspend": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post: { parameters: { query?: never; header?: never; path: { "slug": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Tenant"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/tenants/{slug}/resume": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post: { parameters: { query?: never; header?: never; path: { "slug": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Tenant"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/keys": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "limit"?: number; "cursor"?: string; "tenant"?: string; "inactive"?: "true" | "false" }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Key"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post: { parameters: { query?: never; header?: { "idempotency-key"?: string }; path?: never; cookie?: never }; requestBody: { content: { "application/json": components["schemas"]["NewKey"] } }; responses: { 201: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["MintedKey"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/keys/{id}": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Key"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody: { content: { "application/json": components["schemas"]["KeyChanges"] } }; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Key"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/keys/{id}/receipts": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Receipt"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/keys/{id}/rotate": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post: { parameters: { query?: never; header?: { "idempotency-key"?: string }; path: { "id": string }; cookie?: never }; requestBody: { content: { "application/json": { "overlap"?: string } } }; responses: { 201: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["MintedKey"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/keys/{id}/revoke": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Key"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/tokens": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "limit"?: number; "cursor"?: string; "inactive"?: "true" | "false" }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Token"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post: { parameters: { query?: never; header?: { "idempotency-key"?: string }; path?: never; cookie?: never }; requestBody: { content: { "application/json": components["schemas"]["NewToken"] } }; responses: { 201: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["MintedToken"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/tokens/{id}": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post?: never
    delete: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Token"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/rules/test": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query: { "package": string; "tenant"?: string; "route"?: string; "key"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["RuleTrial"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/rules": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "limit"?: number; "cursor"?: string; "package"?: string; "removed"?: "true" | "false" }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Rule"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post: { parameters: { query?: never; header?: { "idempotency-key"?: string }; path?: never; cookie?: never }; requestBody: { content: { "application/json": components["schemas"]["NewRule"] } }; responses: { 201: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Rule"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/rules/{id}": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Rule"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Rule"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/rules/{id}/disable": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Rule"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/rules/{id}/enable": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Rule"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/sessions": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "limit"?: number; "cursor"?: string; "subject"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["OpenSession"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/sessions/{id}": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post?: never
    delete: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["OpenSession"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/signing-keys": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["SigningKey"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/signing-keys/rotate": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody: { content: { "application/json": { "now"?: boolean } } }; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["SigningKey"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/names": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["RouteNames"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/names/{slug}": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "ledger"?: "true" | "false" }; header?: never; path: { "slug": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["TenantNames"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/who": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "package"?: string; "range"?: string; "route"?: string; "since"?: string; "until"?: string; "tenant"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["WhoAnswer"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/usage": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "timezone"?: string; "since"?: string; "until"?: string; "tenant"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Usage"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/audit": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "since"?: string; "until"?: string; "tenant"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Audit"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/completeness": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "since"?: string; "until"?: string; "tenant"?: string; "limit"?: number }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Completeness"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/figures/series": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "since"?: string; "until"?: string; "tenant"?: string; "route"?: string; "by"?: "class" | "outcome" | "route" | "tenant"; "step"?: "auto" | "none" | "1m" | "5m" | "15m" | "60m" | "240m" | "1440m"; "percentiles"?: "true" | "false" }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Series"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/figures/groups": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query: { "since"?: string; "until"?: string; "tenant"?: string; "route"?: string; "by": string; "only"?: "refused" | "limited" | "failed"; "sort"?: "requests" | "errors_4xx" | "errors_5xx" | "bytes_received" | "bytes_sent" | "refused" | "refused_auth" | "refused_limit" | "refused_other" | "refused_bytes_received" | "refused_bytes_sent" | "by"; "order"?: "asc" | "desc"; "timezone"?: string; "limit"?: number; "previous"?: "true" | "false" }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["UsageGroups"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/figures/packages": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "since"?: string; "until"?: string; "limit"?: number }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["TopPackages"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/entries": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "tenant"?: (string)[]; "key"?: (string)[]; "route"?: (string)[]; "status"?: (string)[]; "outcome"?: (string)[]; "reason"?: (string)[]; "method"?: (string)[]; "artifactKind"?: (string)[]; "path"?: string; "package"?: string; "address"?: string; "requestId"?: string; "traceId"?: string; "rule"?: string; "slowerThan"?: string; "since"?: string; "until"?: string; "limit"?: number; "cursor"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Entry"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/entries/facets": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "tenant"?: (string)[]; "key"?: (string)[]; "route"?: (string)[]; "status"?: (string)[]; "outcome"?: (string)[]; "reason"?: (string)[]; "method"?: (string)[]; "artifactKind"?: (string)[]; "path"?: string; "package"?: string; "address"?: string; "requestId"?: string; "traceId"?: string; "rule"?: string; "slowerThan"?: string; "since"?: string; "until"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["EntryFacets"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/entries/histogram": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "tenant"?: (string)[]; "key"?: (string)[]; "route"?: (string)[]; "status"?: (string)[]; "outcome"?: (string)[]; "reason"?: (string)[]; "method"?: (string)[]; "artifactKind"?: (string)[]; "path"?: string; "package"?: string; "address"?: string; "requestId"?: string; "traceId"?: string; "rule"?: string; "slowerThan"?: string; "since"?: string; "until"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["EntryHistogram"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/entries/export": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "tenant"?: (string)[]; "key"?: (string)[]; "route"?: (string)[]; "status"?: (string)[]; "outcome"?: (string)[]; "reason"?: (string)[]; "method"?: (string)[]; "artifactKind"?: (string)[]; "path"?: string; "package"?: string; "address"?: string; "requestId"?: string; "traceId"?: string; "rule"?: string; "slowerThan"?: string; "since"?: string; "until"?: string; "format"?: "csv" | "ndjson" }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/x-ndjson": string; "text/csv": string } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/entries/stream": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "tenant"?: (string)[]; "key"?: (string)[]; "route"?: (string)[]; "status"?: (string)[]; "outcome"?: (string)[]; "reason"?: (string)[]; "method"?: (string)[]; "artifactKind"?: (string)[]; "path"?: string; "package"?: string; "address"?: string; "requestId"?: string; "traceId"?: string; "rule"?: string; "slowerThan"?: string; "since"?: string; "until"?: string; "cursor"?: string }; header?: { "last-event-id"?: string }; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "text/event-stream": string } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/entries/{requestId}": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "since"?: string; "until"?: string }; header?: never; path: { "requestId": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["FoundEntries"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/quarantine": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "limit"?: number; "cursor"?: number; "tenant"?: string; "resolved"?: "true" | "false" }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["QuarantinedEntry"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/quarantine/set-aside": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["SetAside"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/quarantine/{id}": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path: { "id": number }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["QuarantinedEntryValues"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete: { parameters: { query?: never; header?: never; path: { "id": number }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["QuarantineResult"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/quarantine/{id}/retry": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post: { parameters: { query?: never; header?: never; path: { "id": number }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["QuarantineResult"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/retention": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Retention"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody: { content: { "application/json": { "days": number } } }; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Retention"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/admin-log": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "limit"?: number; "order"?: "newest" | "oldest"; "cursor"?: number; "since"?: string; "until"?: string; "actor"?: string; "subject"?: string; "tenant"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Change"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/deliveries": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "tenant"?: string; "route"?: string; "state"?: "waiting" | "delivered" | "dead" | "dropped" | "coalesced" | "duplicate"; "since"?: string; "until"?: string; "limit"?: number; "cursor"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Delivery"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/deliveries/account": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "tenant"?: string; "since"?: string; "until"?: string }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["DeliveryAccounts"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/deliveries/redeliver": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody: { content: { "application/json": components["schemas"]["Redelivery"] } }; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["DecidedDeliveries"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/deliveries/drop": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody: { content: { "application/json": components["schemas"]["Dropping"] } }; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["DecidedDeliveries"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/deliveries/{id}/redeliver": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get?: never
    put?: never
    post: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["RedeliveredDelivery"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/deliveries/{id}": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["FoundDelivery"] } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete: { parameters: { query?: never; header?: never; path: { "id": string }; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "state": "dropped" } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/events": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: { "limit"?: number; "cursor"?: string; "type"?: "key.expiring" | "ledger.gap" | "entries.dropped" | "quarantine.added" | "limit.reached" | "upstream.failing" | "certificate.expiring" | "gateway.not_ready" }; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Event"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/events/receivers": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["EventReceiver"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/routes": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Route"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/upstreams": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Upstream"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/configuration": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Option"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
  "/api/v1/gateways": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never }
    get: { parameters: { query?: never; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { "application/json": { "items": (components["schemas"]["Gateway"])[]; "next": (string | null) } } }; default: { headers: { [name: string]: unknown }; content: { "application/problem+json": components["schemas"]["Problem"] } } } }
    put?: never
    post?: never
    delete?: never
    patch?: never
    options?: never
    head?: never
    trace?: never
  }
}
