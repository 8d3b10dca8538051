import { type Logger, pino } from 'pino'

export type Log = Logger

/**
 * One JSON object a line. Whoever logs hands over named members, never a request, a header list or a body; what
 * is named like a secret is blanked all the same, in case somebody does.
 */
export function openLog(level: string, destination?: { write(line: string): void }): Log {
  return pino(
    { level, base: null, messageKey: 'message', redact: { paths: secretPaths, censor: '[redacted]' } },
    destination ?? pino.destination({ fd: 1, sync: true }),
  )
}

const secretNames = [
  'authorization',
  'cookie',
  'password',
  'secret',
  'token',
  'privateKey',
  'masterKey',
  'apiKey',
  'databaseUrl',
  'payload',
  'body',
]
const secretPaths = secretNames.flatMap(name => [name, `*.${name}`, `*.*.${name}`, `*.headers["${name}"]`])
