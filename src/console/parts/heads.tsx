/** A head of a column: its words, and its class where it has one. Without words it is the place of a picture. */
export type Head = string | readonly [words: string, className: string]

/** The heads of a table's columns. */
export function Heads({ of: heads }: { readonly of: readonly Head[] }) {
  return (
    <thead>
      <tr>
        {heads.map((head) => {
          const [words, className] = typeof head === 'string' ? [head, ''] : head
          return words === '' ? (
            <td class={className} key={className} />
          ) : (
            <th scope="col" class={className} key={words}>
              {words}
            </th>
          )
        })}
      </tr>
    </thead>
  )
}
