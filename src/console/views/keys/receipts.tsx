import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { listReceipts, type Receipt } from '../../api/directory.ts'
import { Heads } from '../../parts/heads.tsx'
import { Mark } from '../../parts/outcome.tsx'
import { Failure, Panel } from '../../parts/page.tsx'
import { useLoaded } from '../../state/load.ts'
import { duration, several } from '../../words/format.ts'

const POLL_MS = 1000

/** Which gateway processes serve by the key's last change, as they confirm it. Of another key it is another component: give it a `key`. */
export function Receipts({ id }: { readonly id: string }) {
  const isDone = useSignal(false)
  const loaded = useLoaded(isDone.value ? null : id, (signal) => listReceipts(id, signal), POLL_MS)
  const { value, error } = loaded.value
  const receipts = value ?? []
  const done = receipts.filter(({ isConfirmed }) => isConfirmed).length
  const isAll = receipts.length > 0 && done === receipts.length
  useEffect(() => {
    isDone.value = isAll
  }, [isAll])
  const text =
    value === null
      ? 'Asking the gateways …'
      : receipts.length === 0
        ? 'No gateway is running.'
        : isAll
          ? `All of ${several(done, 'gateway process', 'gateway processes')} serve by it.`
          : `${done} of ${several(receipts.length, 'gateway process', 'gateway processes')} serve by it.`
  return (
    <Panel title="Receipts" hint={<span role="status">{text}</span>}>
      <Failure error={error} />
      {receipts.length === 0 ? null : <ReceiptTable receipts={receipts} />}
    </Panel>
  )
}

function ReceiptTable({ receipts }: { readonly receipts: readonly Receipt[] }) {
  return (
    <table>
      <Heads of={['Gateway', ['Process', 'n'], 'Serves by it']} />
      <tbody>
        {receipts.map((one) => (
          <tr key={one.instance}>
            <th scope="row" title={one.instance}>
              {one.host}
            </th>
            <td class="n">{one.processId}</td>
            <td>
              <Mark of={one.isConfirmed ? 'ok' : 'refused'} />{' '}
              {one.isConfirmed ? 'confirmed' : `not yet, last heard of ${duration(one.silentMs)} ago`}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
