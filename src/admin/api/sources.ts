import type { OidcSettings } from '../../model/admin/oidc.ts'
import type { EventReceiver } from '../../model/events/event.ts'
import type { Logger } from '../../logger/logger.ts'
import type { Sql } from '../../store/sql.ts'
import type { AdminSources } from '../handlers.ts'
import type { StreamBounds } from './resources/entries/stream-bounds.ts'

/** The configuration in force, as it may be shown. */
export interface ShownConfiguration {
  readonly options: readonly {
    readonly name: string
    readonly value: unknown
    /** Where it comes from: flag, environment, file or default. */
    readonly source: string
    /** What a change of it needs: a reload, new workers or a restart. */
    readonly actsOn: string
    readonly help: string
  }[]
  readonly routes: readonly Readonly<Record<string, unknown>>[]
}

/** Where the answers of /api/v1 come from. */
export interface ApiSources {
  /** Changes things, in short statements. */
  readonly control: Sql
  /** Reads for listings and reports; its statements are bounded. */
  readonly reader: Sql
  readonly served: Pick<AdminSources, 'overview' | 'readiness' | 'queries'>
  /** What the gateway was told, without its secrets. */
  readonly configuration: () => ShownConfiguration
  /** Where events are sent; `isGone`: it has told this gateway that it wants none. */
  readonly receivers: () => readonly { readonly receiver: EventReceiver; readonly isGone: boolean }[]
  /** Longest wait for an answer from the database. */
  readonly queryTimeoutMs: number
  /** The token of the configuration; '' for none. */
  readonly token: string
  /** How people sign in with OpenID Connect, by the configuration in force; null where they do not. */
  readonly oidc: () => OidcSettings | null
  /** Address or name that the listener was told to listen on. */
  readonly host: string
  readonly version: string
  readonly logger: Logger
  /** Other bounds of /entries/stream than the usual ones. */
  readonly streamBounds?: Partial<StreamBounds>
}
