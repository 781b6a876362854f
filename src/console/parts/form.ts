/** The text fields of a form that was sent; it stays where it is. Files have no place in the console. */
export function fieldsOf(event: SubmitEvent): (name: string) => string {
  event.preventDefault()
  const data = event.currentTarget instanceof HTMLFormElement ? new FormData(event.currentTarget) : null
  return (name) => {
    const value = data?.get(name)
    return typeof value === 'string' ? value.trim() : ''
  }
}
