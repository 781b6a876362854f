import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { takeArrival } from '../state/location.ts'

interface PageProps {
  readonly title: string
  /** Beside the title. */
  readonly hint?: ComponentChildren
  readonly tools?: ComponentChildren
  readonly children: ComponentChildren
}

/** A view: its title, which has the focus on arrival, what can be done with it, and its content. */
export function Page({ title, hint, tools, children }: PageProps) {
  const head = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${title} · Waybill`
  }, [title])
  useEffect(() => {
    if (takeArrival()) head.current?.focus({ preventScroll: true })
  }, [])
  return (
    <>
      <div class="page-head">
        <h1 tabIndex={-1} ref={head}>
          {title}
        </h1>
        {hint === undefined ? null : <div class="page-hint">{hint}</div>}
        <div class="page-tools">{tools}</div>
      </div>
      {children}
    </>
  )
}

interface PanelProps {
  readonly title: string
  readonly hint?: ComponentChildren
  readonly tools?: ComponentChildren | undefined
  readonly className?: string
  readonly children: ComponentChildren
}

/** A part of a view, with a title. */
export function Panel({ title, hint, tools, className = '', children }: PanelProps) {
  const id = useId()
  return (
    <section class={`panel ${className}`} aria-labelledby={id}>
      <div class="panel-head">
        <h2 id={id}>{title}</h2>
        {hint === undefined ? null : <div class="hint">{hint}</div>}
        {tools === undefined ? null : <div class="panel-tools">{tools}</div>}
      </div>
      {children}
    </section>
  )
}

/** Nothing to show, and what to do next. */
export function Empty({
  title,
  children,
}: {
  readonly title: string
  readonly children?: ComponentChildren
}) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  )
}

/** A failure; what was there before stays on the page. */
export function Failure({ error }: { readonly error: string | null }) {
  return (
    <div role="alert" class="failure-place">
      {error === null ? null : <p class="failure">{error}</p>}
    </div>
  )
}
