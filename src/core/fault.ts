/**
 * A caller's mistake, as a value. Core never throws over what somebody sent: it answers with one of these.
 * The set of codes is closed; docs/errors.md lists each with its meaning.
 */
export type Fault = {
  readonly code: FaultCode
  /** What was seen, what was wanted, and the next move, in one sentence for a person. */
  readonly detail: string
  /** JSON Pointer to the offending member, where there is one. */
  readonly pointer?: string
}

export type FaultCode = (typeof faultCodes)[number]

export const faultCodes = [
  'json-unreadable',
  'json-number-unsafe',
  'json-string-unsound',
  'json-key-refused',
  'json-too-deep',
  'json-too-large',
  'json-value-unsupported',
  'event-unreadable',
  'event-identity-missing',
  'body-unreadable',
  'body-too-large',
  'body-type-unknown',
  'policy-invalid',
  'pattern-refused',
  'registration-invalid',
  'state-invalid',
  'manifest-invalid',
  'anchor-invalid',
  'header-invalid',
  'log-invalid',
  'packet-invalid',
  'round-invalid',
  'token-invalid',
  'transaction-invalid',
  'script-invalid',
  'double-spend',
  'not-admitted',
  'topics-invalid',
  'topic-unknown',
  'service-unknown',
  'query-invalid',
  'answer-too-large',
  'name-invalid',
  'signature-invalid',
  'message-invalid',
  'content-invalid',
  'content-too-large',
  'upload-taken',
  'storage-full',
  'headers-invalid',
  'proof-unreadable',
  'proof-invalid',
  'export-unreadable',
  'fuel-exhausted',
  'budget-exhausted',
] as const

export function isFaultCode(text: unknown): text is FaultCode {
  return (faultCodes as readonly unknown[]).includes(text)
}

export type Refusal = { readonly ok: false; readonly fault: Fault }

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: Fault }

export function accepted<T>(value: T): Outcome<T> {
  return { ok: true, value }
}

/** The same fault, seen from the whole that holds the part. */
export function refusedInside(fault: Fault, pointer: string): Refusal {
  return refused(fault.code, fault.detail, pointer + (fault.pointer ?? ''))
}

export function refused(code: FaultCode, detail: string, pointer?: string): Refusal {
  return { ok: false, fault: pointer === undefined ? { code, detail } : { code, detail, pointer } }
}

/** For callers that hold a value they built themselves: a fault there is a bug of ours, so it throws. */
export function orThrow<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  throw new FaultError(outcome.fault)
}

export class FaultError extends Error {
  readonly fault: Fault

  constructor(fault: Fault) {
    super(
      `${fault.code}: ${fault.detail}${fault.pointer === undefined ? '' : ` (at ${fault.pointer || '/'})`}`,
    )
    this.name = 'FaultError'
    this.fault = fault
  }
}
