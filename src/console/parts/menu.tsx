import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

interface MenuProps {
  readonly label: ComponentChildren
  /** Name of the button where its label is a picture. */
  readonly name?: string
  readonly className?: string
  readonly children: (close: () => void) => ComponentChildren
}

/** A button that shows something below it; Escape, a click elsewhere and leaving by keyboard hide that again. */
export function Menu({ label, name, className = '', children }: MenuProps) {
  const isOpen = useSignal(false)
  const root = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const id = useId()
  const close = (): void => {
    isOpen.value = false
  }
  useEffect(() => {
    const onPointer = (event: PointerEvent): void => {
      if (event.target instanceof Node && root.current?.contains(event.target) !== true) close()
    }
    document.addEventListener('pointerdown', onPointer)
    return () => document.removeEventListener('pointerdown', onPointer)
  }, [])
  return (
    <div
      class={`menu ${className}`}
      ref={root}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !isOpen.value) return
        event.stopPropagation()
        close()
        button.current?.focus()
      }}
      onFocusOut={(event) => {
        const to = event.relatedTarget
        if (to instanceof Node && root.current?.contains(to) !== true) close()
      }}
    >
      <button
        type="button"
        class="button"
        ref={button}
        aria-expanded={isOpen.value}
        aria-controls={id}
        {...(name === undefined ? {} : { 'aria-label': name, title: name })}
        onClick={() => (isOpen.value = !isOpen.value)}
      >
        {label}
      </button>
      <div class="menu-body" id={id} hidden={!isOpen.value}>
        {isOpen.value ? children(close) : null}
      </div>
    </div>
  )
}
