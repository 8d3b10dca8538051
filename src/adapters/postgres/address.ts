import pg from 'pg'
import { errorCode } from '../../runtime/error-code.ts'

/** Host and port, for people and logs: what else a database URL says is a secret, or may be. */
export function addressOf(url: string): string {
  const { host, port } = parse(url)
  return `${host}:${port}`
}

/** What a person can do about a database that cannot be opened. The password is in none of it. */
export function explainOpening(error: unknown, url: string): Error {
  if (!(error instanceof Error)) return new Error(`The database at ${addressOf(url)} cannot be opened.`)
  const code = errorCode(error) ?? ''
  const { host, port, user = '', database = '' } = parse(url)
  const say = (seen: string, move: string) =>
    new Error(`The database at ${host}:${port} ${seen}. ${move}`, { cause: error })
  const orEmbedded = 'correct DATABASE_URL, or unset it to use the embedded one.'

  if (code === 'ECONNREFUSED') return say(`refuses connections (${code})`, `Start that server, ${orEmbedded}`)
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return say(
      `cannot be found: nobody knows the host (${code})`,
      `Mend the name's resolution, ${orEmbedded}`,
    )
  if (code === '28P01' || code === '28000')
    return say(`does not let user "${user}" in (${code})`, `Correct user and password in DATABASE_URL.`)
  if (/client password must be a (non-empty )?string/.test(error.message))
    return say(`asks user "${user}" for a password`, 'DATABASE_URL has none; add it.')
  if (code === '3D000')
    return say(
      `has no database "${database}" (${code})`,
      `Create it (createdb ${database}), or correct DATABASE_URL.`,
    )
  if (code === '53300')
    return say(`has no connection left (${code})`, 'Raise its max_connections, or stop what uses it up.')
  if (code === '57P03') return say(`is starting or stopping (${code})`, 'Try again in a moment.')
  if (/timeout/.test(error.message) || code === 'ETIMEDOUT')
    return say('does not answer', `Look whether a firewall is between, ${orEmbedded}`)
  if (/does not support SSL/.test(error.message))
    return say('does not speak TLS, which DATABASE_URL asks for', 'Turn TLS on there, or take sslmode out.')
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code))
    return say(`shows a certificate that is not trusted (${code})`, 'Give its authority with sslrootcert=….')
  if (/^(?:08...|ECONNRESET)$/.test(code) || /^Connection terminated/.test(error.message))
    return say('hangs up before it answers', `Look whether it is a PostgreSQL, ${orEmbedded}`)
  return say('cannot be opened', `${error.message}.`)
}

type Parsed = Pick<pg.Client, 'host' | 'port' | 'user' | 'database'>

function parse(url: string): Parsed {
  try {
    if (/^postgres(ql)?:\/\//.test(url)) return new pg.Client(url)
  } catch {
    // The parser's own message can quote the URL, and the password with it.
  }
  throw new Error(
    'DATABASE_URL is not the address of a database. Wanted: postgres://user:password@host:5432/name, with special ' +
      'characters in the password written as %XX.',
  )
}
