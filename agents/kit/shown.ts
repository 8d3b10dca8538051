import type { Beef } from '../../src/contract/beef.ts'
import type { Issuer } from '../../src/contract/tokens.ts'
import { backOff } from '../../src/runtime/back-off.ts'
import type { Log } from '../../src/runtime/log.ts'
import { pause } from '../../src/runtime/pause.ts'
import {
  type AgentProfile,
  advertScripts,
  type PayForAdverts,
  submitWithdrawal,
  withdrawal,
} from './adverts.ts'
import type { Call } from './call.ts'

export type ShownDeps = {
  readonly profile: AgentProfile
  readonly key: Issuer
  readonly pay: PayForAdverts
  readonly nodes: readonly string[]
  readonly call: Call
  readonly lifetimeMs: number
  readonly log: Log
  now(): number
}

/** The adverts of an agent: shown, renewed when half of their time is over, and withdrawn. */
export function openShown(deps: ShownDeps): { show(): Promise<void>; withdraw(): Promise<void> } {
  const { profile, pay, lifetimeMs, log, now } = deps
  const stopping = new AbortController()
  let shown: Shown | undefined
  let renewing: Promise<void> | undefined

  const showOnce = async () => {
    const before = shown
    const scripts = advertScripts(profile, now() + lifetimeMs)
    shown = { beef: await pay(scripts), count: scripts.length }
    // The new one counts already, and who looks in between finds both.
    if (before !== undefined) await take(before, deps)
  }
  const renew = async () => {
    for (let failures = 0; !stopping.signal.aborted; ) {
      await pause(failures === 0 ? lifetimeMs / 2 : backOff(failures), stopping.signal)
      if (stopping.signal.aborted) return
      try {
        await showOnce()
        failures = 0
      } catch (error) {
        failures += 1
        log.warn({ err: error }, 'the adverts are not renewed, which is tried again')
      }
    }
  }
  return {
    async show() {
      await showOnce()
      renewing ??= renew()
    },
    async withdraw() {
      stopping.abort()
      await renewing
      if (shown !== undefined) await take(shown, deps)
    },
  }
}

type Shown = { readonly beef: Beef; readonly count: number }

/** At the first node that takes it back. One that is left behind ends by itself. */
async function take({ beef, count }: Shown, { key, nodes, call, log }: ShownDeps): Promise<void> {
  const spent = withdrawal(beef, count, key)
  for (const node of nodes) {
    try {
      return await submitWithdrawal(node, spent, call)
    } catch (error) {
      log.warn({ err: error, node }, 'the adverts are not withdrawn here')
    }
  }
}
