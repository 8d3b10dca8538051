import type { Problem } from '../problem.ts'
import { type BodyRoom, receiveBody } from '../receive-body.ts'
import type { Exchange } from './exchange.ts'
import { type Encoding, encodingOf } from './inflate.ts'
import type { IngestLimits } from './ingest-limits.ts'
import { bodyFault } from './refusals.ts'

export type ReadBody = {
  /** As they came over the wire, where they are `exact`. */
  readonly bytes: Uint8Array
  readonly exact: boolean
  /** What they are packed with. */
  readonly encoding: Encoding
  /** Takes more of the memory for bodies, for what they are unpacked to; false where there is none left. */
  hold(bytes: number): boolean
  /** Once nothing that was made of them is needed any more. */
  release(): void
}

/** The whole body of a request; undefined where the client has left, and there is nobody to answer. */
export async function readBody(
  { request, body }: Exchange,
  limits: IngestLimits,
  room: BodyRoom,
): Promise<ReadBody | Problem | undefined> {
  if (body.kind === 'gone')
    return {
      code: 'raw-body-missing',
      detail: 'a body parser of this app has read the body before this route could, and kept nothing of it',
    }
  const encoding = encodingOf(request.headers['content-encoding'])
  let held = 0
  const hold = (bytes: number) => {
    if (bytes > room.bytes) return false
    room.bytes -= bytes
    held += bytes
    return true
  }
  const release = () => {
    room.bytes += held
    held = 0
  }
  if (body.kind === 'read')
    return { bytes: body.bytes, exact: body.exact, encoding: 'identity', hold, release }

  if (!encoding.ok) return bodyFault(encoding.fault)
  const received = await receiveBody(request, limits.bodyBytesMax, limits, room)
  held = received.taken
  if (received.kind === 'whole')
    return { bytes: received.bytes(), exact: true, encoding: encoding.value, hold, release }
  release()
  return received.kind === 'gone' ? undefined : bodyProblem(received.error)
}

type BodyError = Extract<Awaited<ReturnType<typeof receiveBody>>, { kind: 'refused' }>['error']

/** There are as many bytes under way as this node has room for. */
export const noRoom: Problem = {
  code: 'busy',
  detail: 'all the memory for bodies that are under way is in use',
  retryAfterSeconds: 1,
}

function bodyProblem({ status, message, retryAfterSeconds }: BodyError): Problem {
  if (status === 413)
    return {
      code: 'body-too-large',
      detail: message,
      hint: 'send it in smaller requests; NDJSON and CSV of sources that sign nothing may be of any length, without an Idempotency-Key',
    }
  return {
    code: status === 408 ? 'body-timeout' : 'busy',
    detail: message,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  }
}
