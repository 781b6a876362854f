import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { Brand } from '../parts/shell.tsx'
import { leaveFor, readSignInMethods, signIn, type SignInMethods } from '../state/session.ts'

/** Asks for a token, which is never shown, nor kept in the page; or sends to the issuer, where there is one. */
export function SignIn({ problem }: { readonly problem: string | null }) {
  const field = useRef<HTMLInputElement>(null)
  const isBusy = useSignal(false)
  const oidc = useSignal<SignInMethods['oidc']>(null)
  useEffect(() => {
    document.title = 'Sign in · Waybill'
    field.current?.focus()
    // A gateway that does not say takes tokens.
    readSignInMethods().then(
      (methods) => {
        oidc.value = methods.oidc
      },
      () => {},
    )
  }, [])
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const input = field.current
    if (input === null) return
    const token = input.value.trim()
    input.value = ''
    isBusy.value = true
    await signIn(token)
    isBusy.value = false
    field.current?.focus()
  }
  return (
    <main class="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <Brand />
        <h1>Sign in</h1>
        <label for="token">Token</label>
        <input
          id="token"
          ref={field}
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          aria-describedby="token-hint"
          aria-invalid={problem !== null}
        />
        <p id="token-hint" class={problem === null ? 'hint' : 'failure'} role="status">
          {problem ?? 'The admin token of this gateway (option admin.token), or a token of your own.'}
        </p>
        <button class="button primary" disabled={isBusy.value}>
          Sign in
        </button>
        {oidc.value !== null && <Elsewhere {...oidc.value} />}
      </form>
    </main>
  )
}

function Elsewhere({ label, start }: NonNullable<SignInMethods['oidc']>) {
  return (
    <button type="button" class="button" onClick={() => leaveFor(start)}>
      Sign in with {label}
    </button>
  )
}
