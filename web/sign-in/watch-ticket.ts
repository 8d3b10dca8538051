import { object, text } from '../ask/shapes.ts'
import { askSigned } from './ask-signed.ts'
import type { Signer } from './identity.ts'

/** What is put behind the address of a stream, which cannot be signed; undefined where the node gives no ticket. */
export async function watchQuery(signer: Signer | undefined): Promise<string | undefined> {
  if (signer === undefined) return ''
  const answer = await askSigned(signer, '/watch/tickets', object({ ticket: text }), { method: 'POST' })
  return answer.kind === 'there' ? `?ticket=${answer.value.ticket}` : undefined
}
