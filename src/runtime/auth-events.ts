import type { AuthEvents } from '../adapters/auth/auth-events.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** What happens at the handshake and behind it, told to the metrics; strangers are not let into the log by it. */
export function authEvents(log: Log, metrics: Metrics): AuthEvents {
  return {
    onHandshake: outcome => metrics.handshakes.inc({ outcome }),
    onRefused: code => metrics.unproven.inc({ code }),
    onSweepFailure: error =>
      log.warn({ err: error }, 'expired sessions could not be swept; tried again soon'),
  }
}
