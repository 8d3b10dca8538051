import * as z from 'zod'
import { fromUtf8 } from '../core/bytes.ts'
import { readBounded } from '../runtime/read-bounded.ts'
import { retryAfterMs } from './pause.ts'
import { within } from './within.ts'

/** Why a node has not done what it was asked, or could not be asked. */
export type Refusal = {
  /** A code of docs/ingest.md; `unreachable` where there was no answer, `not-an-answer` where it cannot be read. */
  readonly code: string
  /** Null where there was no answer. */
  readonly status: number | null
  readonly detail: string
  /** Whether the same request may fare better later. */
  readonly retryable: boolean
  /** As long as the node asks for. */
  readonly retryAfterMs?: number
}

/** Beyond this an answer that refuses is not read. */
const REFUSAL_BYTES_MAX = 64 * 1024
/** Nor is one that takes longer: its status and its headers say what matters most. */
const REFUSAL_MS = 5_000

const problemShape = z.object({
  code: z.string(),
  detail: z.string(),
  hint: z.string().optional(),
  retryable: z.boolean().optional(),
})

/** Of an answer that is not what was asked for. */
export async function refusalOf(response: Response, nowMs: number, bodyMs = REFUSAL_MS): Promise<Refusal> {
  const { status, headers } = response
  const body = within(readBounded(response, REFUSAL_BYTES_MAX), bodyMs, 'the refusal does not end')
  const text = await body.then(fromUtf8, () => undefined)
  const problem = readAs(problemShape, text ?? '')
  const waitMs = retryAfterMs(headers, nowMs)
  return {
    code: problem?.code ?? 'not-an-answer',
    status,
    detail: problem === undefined ? `the node answers ${status}` : sentence(problem),
    retryable: problem?.retryable ?? (status >= 500 || status === 408 || status === 429),
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
  }
}

function sentence({ detail, hint }: z.output<typeof problemShape>): string {
  return hint === undefined ? detail : `${detail}; ${hint}`
}

/** Of a request that has come to nothing. What fetch itself says is only that it failed. */
export function unreachable(error: unknown): Refusal {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const detail = cause instanceof Error ? cause.message : String(cause)
  return { code: 'unreachable', status: null, detail, retryable: true }
}

export function readAs<Shape extends z.ZodType>(shape: Shape, text: string): z.output<Shape> | undefined {
  try {
    return shape.safeParse(JSON.parse(text)).data
  } catch {
    // No JSON: as any other text that is not of this shape.
    return undefined
  }
}
