import type { Outgoing } from '../adapters/outgoing/outgoing.ts'

const HEALTH_BYTES_MAX = 64 * 1024
const HEALTH_MS_MAX = 5_000

/** Whether the overlay host at this URL says of itself that it is well. */
export async function checkHealth(outgoing: Outgoing, url: string, now: () => number) {
  const startedMs = now()
  const told = (isHealthy: boolean, httpStatus: number | null, error: string | null) => ({
    url,
    healthy: isHealthy,
    httpStatus,
    error,
    durationMs: Math.max(0, now() - startedMs),
  })
  try {
    const { status } = await outgoing(`${url.replace(/\/$/, '')}/health`, {
      answerBytesMax: HEALTH_BYTES_MAX,
      answerMsMax: HEALTH_MS_MAX,
    })
    return told(status === 200, status, null)
  } catch (error) {
    return told(false, null, error instanceof Error ? error.message : String(error))
  }
}
