import { HOST_FAILURES_MAX } from '../indexes/host-adverts-index.ts'
import type { Outgoing } from '../outgoing/outgoing.ts'
import type { Queryable } from '../postgres/sql.ts'

/** In one pass; the ones that were checked longest ago. */
const HOSTS_PER_PASS_MAX = 500
const AT_ONCE = 8
const ANSWER_MS_MAX = 5000
const ANSWER_BYTES_MAX = 64 * 1024

export type JanitorDeps = {
  readonly db: Queryable
  readonly outgoing: Outgoing
  now(): number
  /** Told of each that has fallen silent. */
  onSilent(domain: string): void
}

export type HostsChecked = { readonly checked: number; readonly silent: number }

/**
 * Asks every advertised host whether it is there. Whatever it says will do: hosts differ in what they serve. A silent
 * one is asked again in the next pass, and is back with its first answer; its advert is its owner's to withdraw.
 */
export async function checkHosts(deps: JanitorDeps): Promise<HostsChecked> {
  const { rows } = await deps.db.query<{ domain: string }>({
    // One that is reached in another way than ours (BRC-101) may well be there.
    text: `select base as domain from (select distinct base from host_adverts where base ~ '^https?://') as advertised
      left join host_checks on domain = base order by checked_ms nulls first, base limit $1`,
    values: [HOSTS_PER_PASS_MAX],
  })
  const waiting = rows.map(({ domain }) => domain)
  let silent = 0
  const work = async () => {
    for (let domain = waiting.pop(); domain !== undefined; domain = waiting.pop())
      if ((await checkHost(domain, deps)) >= HOST_FAILURES_MAX) silent += 1
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  await forgetWithdrawn(deps.db)
  return { checked: rows.length, silent }
}

/** Resolves with how often in a row it has not answered. */
async function checkHost(domain: string, deps: JanitorDeps): Promise<number> {
  const failed = !(await answers(domain, deps.outgoing))
  const { rows } = await deps.db.query<{ failures: number }>({
    text: `insert into host_checks (domain, failures, checked_ms) values ($1, $2, $3)
      on conflict (domain) do update
        set failures = case when $2 = 0 then 0 else host_checks.failures + 1 end, checked_ms = excluded.checked_ms
      returning failures`,
    values: [domain, failed ? 1 : 0, deps.now()],
  })
  const failures = rows[0]?.failures ?? 0
  if (failures === HOST_FAILURES_MAX) deps.onSilent(domain)
  return failures
}

async function answers(domain: string, outgoing: Outgoing): Promise<boolean> {
  try {
    await outgoing(new URL('/health/live', domain).href, {
      answerBytesMax: ANSWER_BYTES_MAX,
      answerMsMax: ANSWER_MS_MAX,
    })
    return true
  } catch {
    // Refused, silent, or nowhere that a call may go: all of them no host for anybody.
    return false
  }
}

async function forgetWithdrawn(db: Queryable): Promise<void> {
  await db.query('delete from host_checks where domain not in (select base from host_adverts)')
}
