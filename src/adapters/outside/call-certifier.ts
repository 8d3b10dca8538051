import * as z from 'zod'
import type { CallCertifier, OutsideFailure } from '../../certify/outside/ports.ts'
import { signRequest } from '../../contract/request-signature.ts'
import type { Issuer } from '../../contract/tokens.ts'
import { utf8 } from '../../core/bytes.ts'
import { canonicalize, canonicalJson, type Json } from '../../core/canonical-json.ts'
import { askIdentity } from '../auth/ask-identity.ts'
import { callAs } from '../auth/call-as.ts'
import type { Outgoing, OutgoingAnswer } from '../outgoing/outgoing.ts'

export type CallCertifierDeps = {
  readonly url: string
  readonly identity: Issuer
  readonly outgoing: Outgoing
  readonly answerMsMax: number
  now(): number
}

const ANSWER_BYTES_MAX = 64 * 1024

/**
 * Signed as BRC-104 has it where somebody proves an identity there, and then with nothing but that identity's signed
 * answers; else with the headers of the older profile.
 */
export function callCertifier(deps: CallCertifierDeps): CallCertifier {
  const { url, identity, outgoing, answerMsMax } = deps
  const whoIsThere = rememberIdentity(() => askIdentity(identity, outgoing)(new URL(url).origin))
  const callPeer = callAs(identity, outgoing, { callMsMax: answerMsMax, answerBytesMax: ANSWER_BYTES_MAX })
  const nextNonce = openNonces(deps.now)
  const headers = { 'content-type': 'application/json' }

  return async question => {
    const body = utf8(canonicalJson({ type: 'certify', payload: { ...question } }))
    try {
      const identityKey = await whoIsThere()
      const answer =
        identityKey === undefined
          ? await outgoing(url, {
              method: 'POST',
              headers: { ...headers, ...signedHeaders(url, body, nextNonce(), identity) },
              body,
              answerMsMax,
              answerBytesMax: ANSWER_BYTES_MAX,
            })
          : await callPeer(identityKey, { url, method: 'POST', headers, body })
      return answerOf(answer)
    } catch (error) {
      return failed(null, error instanceof Error ? error.message : String(error))
    }
  }
}

/** Asked until it answers, once for all who wait. */
function rememberIdentity(ask: () => Promise<string | undefined>): () => Promise<string | undefined> {
  let asked: Promise<string | undefined> | undefined
  return () => {
    asked ??= ask().catch(error => {
      asked = undefined
      throw error
    })
    return asked
  }
}

function signedHeaders(url: string, body: Uint8Array, nonce: string, { identityKey, privateKey }: Issuer) {
  const { pathname, search } = new URL(url)
  const request = { method: 'POST', path: pathname + search, nonce, body }
  return {
    'x-identity-key': identityKey,
    'x-nonce': nonce,
    'x-signature': signRequest(request, 2, privateKey),
    'x-signature-version': '2',
  }
}

/** Nanoseconds, and never the same ones twice. */
function openNonces(now: () => number): () => string {
  let last = 0n
  return () => {
    const ns = BigInt(now()) * 1_000_000n
    last = ns > last ? ns : last + 1n
    return last.toString().padStart(19, '0')
  }
}

const VERSION_CHARS_MAX = 256
const answerForm = z.looseObject({ versionId: z.string().min(1).max(VERSION_CHARS_MAX) })

function answerOf({ status, body }: OutgoingAnswer): Awaited<ReturnType<CallCertifier>> {
  const said = parsed(body)
  const form = answerForm.safeParse(said)
  if (status < 200 || status > 299 || !form.success) return failed(status)
  return { ok: true, answer: { status, versionId: form.data.versionId, response: said } }
}

function parsed(body: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    // A zero is the one character that the database cannot keep; the rest of that is what has no canonical form.
    if (text.includes('\\u0000')) return undefined
    const said: Json = JSON.parse(text)
    return canonicalize(said).ok ? said : undefined
  } catch {
    // Not JSON, and so no answer.
    return undefined
  }
}

const WHY_CHARS_MAX = 500

function failed(
  status: number | null,
  detail?: string,
): { readonly ok: false; readonly failure: OutsideFailure } {
  const why = `certifier-failed:${status ?? 'no-answer'}${detail === undefined ? '' : `: ${detail}`}`
  return { ok: false, failure: { status, why: why.slice(0, WHY_CHARS_MAX) } }
}
