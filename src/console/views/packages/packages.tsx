import { getWho, type PackageUser, type WhoAnswer, type WhoQuestion, whoQuery } from '../../api/who.ts'
import { Heads } from '../../parts/heads.tsx'
import { CopyAs } from '../../parts/copy.tsx'
import { fieldsOf } from '../../parts/form.ts'
import { Moment } from '../../parts/moment.tsx'
import { Mark } from '../../parts/outcome.tsx'
import { Empty, Failure, Page, Panel } from '../../parts/page.tsx'
import { RangePicker } from '../../parts/range-picker.tsx'
import { TenantLink } from '../../parts/tenant-link.tsx'
import { useLoaded } from '../../state/load.ts'
import { query, setQuery } from '../../state/location.ts'
import { isOfTenant } from '../../state/session.ts'
import { readRange } from '../../words/filter.ts'
import { bytes, count, several, words } from '../../words/format.ts'
import { TopPackages } from './top-packages.tsx'

const DEFAULT = { since: '7d', until: '' }
/** Packages of the list. */
const MAX_TOP = 50

/** Who had a package, and whether that answer is complete. */
export function PackagesView() {
  const range = readRange(query.value, DEFAULT)
  const question: WhoQuestion = {
    package: query.value.get('package') ?? '',
    range: query.value.get('range') ?? '',
    tenant: query.value.get('tenant') ?? '',
  }
  const parameters = whoQuery(question, range)
  const isAsked = question.package !== ''
  const loaded = useLoaded(isAsked ? parameters.toString() : null, (signal) =>
    getWho(question, range, signal),
  )
  const { value, error, isLoading } = loaded.value
  return (
    <Page
      title="Packages"
      tools={
        <>
          <RangePicker range={range} />
          <CopyAs
            path={`/api/v1/who?${parameters}`}
            cli={['who', question.package === '' ? '<package>' : question.package, '--quick']}
            flags={[
              ['--range', question.range],
              ['--tenant', question.tenant],
              ['--since', range.since],
              ['--until', range.until],
            ]}
          />
        </>
      }
    >
      <Question question={question} />
      {isAsked ? (
        <>
          <Failure error={error} />
          {value === null ? <p role="status">{isLoading ? 'Looking …' : ''}</p> : <Answer answer={value} />}
        </>
      ) : (
        <div class="stack">
          <Panel title="Who had a package">
            <Empty title="Name a package to see who had it.">
              <p>A name such as left-pad or @babel/core, or a package URL such as pkg:npm/left-pad@1.3.0.</p>
            </Empty>
          </Panel>
          {isOfTenant() ? null : <TopPackages range={range} limit={MAX_TOP} />}
        </div>
      )}
    </Page>
  )
}

function Question({ question }: { readonly question: WhoQuestion }) {
  const submit = (event: SubmitEvent): void => {
    const field = fieldsOf(event)
    const valueOf = (name: string): string | null => (field(name) === '' ? null : field(name))
    setQuery({ package: valueOf('package'), range: valueOf('range'), tenant: valueOf('tenant') })
  }
  return (
    <form class="question" role="search" onSubmit={submit} key={JSON.stringify(question)}>
      <label class="wide">
        Package
        <input name="package" value={question.package} required autocomplete="off" spellcheck={false} />
      </label>
      <label>
        Versions
        <input
          name="range"
          value={question.range}
          placeholder="&gt;=1.2 &lt;2"
          autocomplete="off"
          spellcheck={false}
        />
      </label>
      <label>
        Tenant
        <input
          name="tenant"
          value={question.tenant}
          placeholder="any"
          autocomplete="off"
          spellcheck={false}
        />
      </label>
      <button class="button primary">Who had it?</button>
    </form>
  )
}

const TONES = { complete: 'ok', so_far: 'refused', gaps: 'upstream' } as const

function Answer({ answer }: { readonly answer: WhoAnswer }) {
  const { coverage, users, userCount } = answer
  const tone = TONES[coverage.state]
  return (
    <div class="stack">
      <p class={`why ${tone}`} role="status">
        <Mark of={tone} /> {answer.answer}
      </p>
      {coverage.gaps.length === 0 ? null : (
        <details>
          <summary>{several(coverage.gaps.length, 'gap')} in the log of that time</summary>
          <ul class="lines">
            {coverage.gaps.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </details>
      )}
      {users.length === 0 ? null : (
        <Panel
          title="Who"
          hint={
            userCount > users.length
              ? `the first ${count(users.length)} of ${count(userCount)}`
              : several(userCount, 'line')
          }
        >
          <div class="scroll" tabIndex={0} role="group" aria-label="Who had it">
            <UserTable users={users} />
          </div>
        </Panel>
      )}
    </div>
  )
}

function UserTable({ users }: { readonly users: readonly PackageUser[] }) {
  return (
    <table>
      <Heads
        of={[
          'Tenant',
          'Key',
          'Use',
          'Package',
          'Versions',
          'Addresses',
          ['Requests', 'n'],
          ['Sent', 'n'],
          'Last',
        ]}
      />
      <tbody>
        {users.map((user) => (
          <tr
            key={`${user.package} ${user.tenant ?? ''} ${user.key_id ?? ''} ${user.use} ${user.outcome ?? ''}`}
          >
            <th scope="row">
              <TenantLink of={user.tenant} />
            </th>
            <td>
              {user.key_id === null ? (
                '–'
              ) : (
                <a href={`/keys/${user.key_id}`}>{user.key_name ?? user.key_id}</a>
              )}{' '}
              {user.key_state === null || user.key_state === 'active' ? (
                ''
              ) : (
                <span class="warn">{user.key_state}</span>
              )}
            </td>
            <td>
              {words(user.use)} {user.outcome === null ? '' : <span class="soft">{words(user.outcome)}</span>}
            </td>
            <td class="mono">{user.package}</td>
            <td class="wrap">{sampleOf(user.versions, user.versions_more)}</td>
            <td class="wrap">{sampleOf(user.addresses, user.addresses_more)}</td>
            <td class="n">{count(user.requests)}</td>
            <td class="n">{bytes(user.bytes_sent)}</td>
            <td>
              <Moment at={user.last_at} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function sampleOf(values: readonly string[], more: number): string {
  const known = values.filter((value) => value !== '')
  const text = known.length === 0 ? '–' : known.join(', ')
  return more === 0 ? text : `${text} and ${several(more, 'other')}`
}
