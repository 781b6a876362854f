import type { Route } from '../../model/route.ts'
import type { Dispatcher, Interceptor } from '../../upstream/dispatcher.ts'
import type { Dispatched, ResponseReceiver, UpstreamRequest } from '../../upstream/request.ts'
import { ECOSYSTEMS } from '../kinds.ts'
import { askForDocument } from './document-fields.ts'
import { hasLogin } from './own-login.ts'
import { DocumentReceiver, type DocumentSettings, type DocumentTask } from './document-receiver.ts'
import type { DocumentRule } from './document-rule.ts'
import { TurnBudget } from './turn-budget.ts'
import { markOf } from './validators.ts'

/**
 * The step that has documents bear the gateway's addresses in place of their upstream's. Kinds without such documents, and routes that
 * want none rewritten, are left alone; so are requests for anything else, and all of them where the gateway does not know how clients
 * reach it.
 */
export function documentRewriting(settings: DocumentSettings): Interceptor {
  const budget = new TurnBudget()
  return (next, route) => {
    const { documents } = ECOSYSTEMS[route.kind]
    const isWanted = documents.length > 0 && route.rules.rewriteDocuments
    return isWanted ? new DocumentStep(next, route, documents, { settings, budget }) : next
  }
}

class DocumentStep implements Dispatcher {
  readonly #next: Dispatcher
  readonly #route: Route
  readonly #rules: readonly DocumentRule[]
  readonly #shared: Pick<DocumentTask, 'settings' | 'budget'>

  constructor(
    next: Dispatcher,
    route: Route,
    rules: readonly DocumentRule[],
    shared: Pick<DocumentTask, 'settings' | 'budget'>,
  ) {
    this.#next = next
    this.#route = route
    this.#rules = rules
    this.#shared = shared
  }

  /** See Dispatcher. */
  dispatch(request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
    const { asked: client } = request
    const rule = client === null ? null : this.#ruleFor(request.method, client.path)
    const addresses = rule === null ? null : (client?.addresses() ?? null)
    if (rule === null || addresses === null) return this.#next.dispatch(request, receiver)
    const route = this.#route
    const mark = markOf(`${rule.name} ${route.auth} ${hasLogin(route)} ${addresses.seed}`)
    const asked = askForDocument(request.headers, mark)
    const task = { rule, request, asked, context: { route, addresses }, mark, ...this.#shared }
    return this.#next.dispatch({ ...request, headers: asked.headers }, new DocumentReceiver(task, receiver))
  }

  #ruleFor(method: string, path: string): DocumentRule | null {
    const rest = path.slice(this.#route.path.length - 1)
    for (const rule of this.#rules) if (rule.isAskedBy(method, rest)) return rule
    return null
  }
}
