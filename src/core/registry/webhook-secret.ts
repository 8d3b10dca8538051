import { utf8 } from '../bytes.ts'
import { accepted, type Outcome, refused } from '../fault.ts'

export const SECRET_BYTES_MIN = 16
const SECRET_CHARS_MAX = 1024
export const SECRET_PREFIX = 'whsec_'

/** Behind `whsec_` stands base64, as clients of Standard Webhooks write it; any other text is the key as it is. */
export function readWebhookSecret(text: string): Outcome<Uint8Array> {
  const key = text.startsWith(SECRET_PREFIX) ? fromBase64(text.slice(SECRET_PREFIX.length)) : utf8(text)
  if (key !== undefined && key.length >= SECRET_BYTES_MIN && text.length <= SECRET_CHARS_MAX)
    return accepted(key)
  return refused(
    'registration-invalid',
    `a secret is ${SECRET_PREFIX} and base64 of at least ${SECRET_BYTES_MIN} bytes, or another text of ${SECRET_BYTES_MIN} to ${SECRET_CHARS_MAX} characters`,
  )
}

function fromBase64(text: string): Uint8Array | undefined {
  // A length of 4n + 1 says no whole byte at its end, and atob would throw.
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/.test(text)) return undefined
  return Uint8Array.from(atob(text), character => character.charCodeAt(0))
}
