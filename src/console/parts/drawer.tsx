import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { Icon } from './icon.tsx'

interface DrawerProps {
  readonly label: string
  readonly title: ComponentChildren
  /** A dialog of its own is open: Escape closes that. */
  readonly isAsking?: boolean
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** One of a list, beside it: its title has the focus when it opens, and Escape closes it. */
export function Drawer({ label, title, isAsking = false, onClose, children }: DrawerProps) {
  const head = useRef<HTMLHeadingElement>(null)
  useEffect(() => head.current?.focus(), [])
  return (
    <aside
      class="drawer"
      aria-label={label}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !isAsking) onClose()
      }}
    >
      <div class="drawer-head">
        <h2 tabIndex={-1} ref={head}>
          {title}
        </h2>
        <button
          type="button"
          class="button quiet"
          onClick={onClose}
          aria-label="Close"
          title="Close (Escape)"
        >
          <Icon name="close" />
        </button>
      </div>
      {children}
    </aside>
  )
}
