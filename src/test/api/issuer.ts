import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import type { Test } from 'tap'

/** What a test may have the issuer do otherwise; all as it should be unless told. */
export interface IssuerFaults {
  /** Claims over the right ones; undefined takes one away. */
  claims?: Readonly<Record<string, unknown>>
  /** Signs as `alg: none`. */
  unsigned?: boolean
  /** Signs by a key that it does not publish, under the name of one that it does. */
  foreignKey?: boolean
  /** Status of every answer in place of the right one. */
  status?: number
  /** `iss` in the address to come back to. */
  backIssuer?: string
}

interface Grant {
  readonly nonce: string
  readonly challenge: string
  readonly redirectUri: string
}

interface SigningKey {
  readonly kid: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

async function newKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair('RS256')
  return { kid: randomUUID(), privateKey, jwk: await exportJWK(publicKey) }
}

/** An OpenID provider on this machine, which signs in whoever comes; a code is good once. */
export class TestIssuer {
  readonly url: string
  faults: IssuerFaults = {}
  /** Requests by path. */
  readonly asked: Record<string, number> = {}
  readonly #grants = new Map<string, Grant>()
  #key: SigningKey

  private constructor(url: string, key: SigningKey) {
    this.url = url
    this.#key = key
  }

  static async start(t: Test): Promise<TestIssuer> {
    let issuer: TestIssuer | null = null
    const server = createServer((request, response) => void issuer?.answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    issuer = new TestIssuer(`http://127.0.0.1:${port}`, await newKey())
    return issuer
  }

  /** Takes another key to sign by, and publishes that alone. */
  async rotate(): Promise<void> {
    this.#key = await newKey()
  }

  /** What a person does there: signs in, and is sent back. Resolves with the address. */
  async visit(location: string): Promise<string> {
    const response = await fetch(location, { redirect: 'manual' })
    return response.headers.get('location') ?? ''
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', this.url)
    this.asked[pathname] = (this.asked[pathname] ?? 0) + 1
    if (this.faults.status !== undefined) return void response.writeHead(this.faults.status).end()
    if (pathname === '/authorize') return this.#authorize(searchParams, response)
    if (pathname === '/token') return await this.#token(request, response)
    const body =
      pathname === '/jwks'
        ? { keys: [{ ...this.#key.jwk, kid: this.#key.kid, alg: 'RS256' }] }
        : this.#metadata()
    send(response, 200, body)
  }

  #metadata() {
    const { url } = this
    return {
      issuer: url,
      authorization_endpoint: `${url}/authorize`,
      token_endpoint: `${url}/token`,
      jwks_uri: `${url}/jwks`,
      response_types_supported: ['code'],
      id_token_signing_alg_values_supported: ['RS256', 'none'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
    }
  }

  #authorize(query: URLSearchParams, response: ServerResponse): void {
    const code = randomUUID()
    const redirectUri = query.get('redirect_uri') ?? ''
    this.#grants.set(code, {
      nonce: query.get('nonce') ?? '',
      challenge: query.get('code_challenge') ?? '',
      redirectUri,
    })
    const back = new URLSearchParams({
      code,
      state: query.get('state') ?? '',
      iss: this.faults.backIssuer ?? this.url,
    })
    response.writeHead(303, { location: `${redirectUri}?${back.toString()}` }).end()
  }

  async #token(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await textOf(request))
    const grant = this.#grants.get(form.get('code') ?? '')
    this.#grants.delete(form.get('code') ?? '')
    const proof = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    const basic = Buffer.from(
      request.headers.authorization?.slice('Basic '.length) ?? '',
      'base64',
    ).toString()
    const isClient = decodeURIComponent(basic) === `${CLIENT.id}:${CLIENT.secret}`
    if (!isClient) return send(response, 401, { error: 'invalid_client' })
    if (grant?.challenge !== proof || grant.redirectUri !== form.get('redirect_uri'))
      return send(response, 400, { error: 'invalid_grant' })
    send(response, 200, {
      access_token: 'a',
      token_type: 'Bearer',
      id_token: await this.#idToken(grant.nonce),
    })
  }

  async #idToken(nonce: string): Promise<string> {
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: this.url,
      aud: CLIENT.id,
      sub: 'subject-1',
      email: 'ann@example.com',
      groups: ['staff', 'platform'],
      nonce,
      iat: now,
      exp: now + 300,
      ...this.faults.claims,
    }
    if (this.faults.unsigned === true) {
      const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
      return `${part({ alg: 'none' })}.${part(claims)}.`
    }
    const key =
      this.faults.foreignKey === true ? (await generateKeyPair('RS256')).privateKey : this.#key.privateKey
    return await new SignJWT(JSON.parse(JSON.stringify(claims)))
      .setProtectedHeader({ alg: 'RS256', kid: this.#key.kid })
      .sign(key)
  }
}

/** What the issuer calls the gateway. */
export const CLIENT = { id: 'waybill', secret: 'the-secret-of-the-client' }

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
