import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { sha256Hex } from '#sha256'
import { utf8 } from '../../core/bytes.ts'
import type { Network } from '../../core/network.ts'
import { isLoopback, whyNotPublic } from '../../runtime/addresses/public-address.ts'
import { pause } from '../../runtime/pause.ts'
import type { AskIdentity } from '../auth/ask-identity.ts'
import type { AdvertisedHost } from '../indexes/host-adverts-index.ts'
import type { Outgoing } from '../outgoing/outgoing.ts'
import { readOutgoingUrl } from '../outgoing/read-outgoing-url.ts'
import type { AdvertisedHosts } from '../overlay/deliver.ts'
import { postToPeer } from '../overlay/post-to-peer.ts'
import { advertisedTarget, baseOfAdvertised } from '../overlay/targets.ts'
import {
  allTopics,
  type Claims,
  type Impostor,
  isImpostor,
  openImpostors,
  topicsUnder,
} from './host-claims.ts'
import { openHostIdentities } from './host-identities.ts'

export type HostsOf = (topic: string) => Promise<readonly AdvertisedHost[]>

export type PeersDeps = {
  readonly network: Network
  /** What this node hosts; what others host besides is nothing to it. */
  readonly topics: readonly string[]
  readonly hostsOf: HostsOf
  /** Of this node: nobody tells himself. */
  readonly self: { readonly identityKey?: string; readonly addresses: readonly string[] }
  /** Whom the operator names, by base URL, and how they are called. */
  readonly named: readonly string[]
  readonly callNamed: Outgoing
  /** How everybody else is called. */
  readonly call: Outgoing
  /** Who answers at the address of an advert. */
  readonly ask: AskIdentity
  /** Whether a host that proves no key at all is taken at its advert's word. */
  readonly mayBeUnproven: boolean
  readonly now: () => number
  readonly onTrouble: (error: unknown) => void
  /** Told once of each advert that names a host which does not prove the advert's key. */
  readonly onImpostor: (impostor: Impostor) => void
  readonly peersMax?: number
  readonly refreshMs?: number
}

export type Peer = {
  /** The same in every process. */
  readonly name: string
  readonly base: string
  readonly topics: readonly string[]
  readonly call: Outgoing
}

export type Peers = AdvertisedHosts & {
  /** Everybody that is told, and may be asked. */
  all(): readonly Peer[]
  /** Resolves after the first look and a moment for those found to say who they are; looks again until stopped. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** Of one topic. With others each node picks others, so that word gets around to all. */
export const PEERS_PER_TOPIC_MAX = 32
export const REFRESH_MS = 5000
/** Of one topic, in one look. */
const ADVERTS_READ_MAX = 10_000

/** For the first handshakes; whoever takes longer is a peer later. */
const FIRST_HANDSHAKES_MS = 1000

/**
 * The hosts beside us, kept in memory: asked by every submission, and read from the adverts behind its back. Nothing is
 * told to a host, and nothing asked of it, before it has proven the key of an advert that names it.
 */
export function openPeers(deps: PeersDeps): Peers {
  const { topics, named, call, callNamed, onTrouble } = deps
  const { peersMax = PEERS_PER_TOPIC_MAX, refreshMs = REFRESH_MS } = deps
  const self = new Set([...deps.self.addresses, ...named].map(address => baseOf(address, deps.network)))
  const seed = randomBytes(16).toString('hex')
  const lot = (target: string) => sha256Hex(utf8(seed + target))
  const identities = openHostIdentities({ ask: deps.ask, now: deps.now, onChange: () => choose() })
  const impostors = openImpostors(deps.onImpostor)
  let hosts: ReadonlyMap<string, Claims> = new Map()
  let told: ReadonlyMap<string, readonly string[]> = new Map()
  let isWhole = false
  const stopped = new AbortController()

  async function look(): Promise<void> {
    const found = new Map<string, Map<string, Set<string>>>()
    for (const topic of topics)
      for (const { base, identityKey } of await claimsOf(topic)) {
        const claims = found.get(base) ?? new Map<string, Set<string>>()
        found.set(base, claims.set(identityKey, (claims.get(identityKey) ?? new Set()).add(topic)))
      }
    hosts = found
    isWhole = true
    choose()
    const asked = [...hosts].map(([base, claims]) => ({ base, isDoubted: isDoubted(base, claims) }))
    const lots = new Map(asked.map(({ base }) => [base, lot(base)]))
    const lotOf = ({ base }: { base: string }) => lots.get(base) ?? ''
    identities.keepAsking(asked.sort((a, b) => (lotOf(a) < lotOf(b) ? -1 : 1)))
  }
  async function claimsOf(topic: string): Promise<{ base: string; identityKey: string }[]> {
    const adverts = (await deps.hostsOf(topic)).slice(0, ADVERTS_READ_MAX)
    return adverts.flatMap(({ identityKey, domain }) => {
      if (identityKey === deps.self.identityKey) return []
      const base = baseOf(domain, deps.network)
      return base === undefined || self.has(base) ? [] : [{ base, identityKey }]
    })
  }
  /** From what is known by now of who is who. */
  function choose(): void {
    const proven = [...hosts].map(([base, claims]) => [base, provenTopics(base, claims)] as const)
    told = new Map(
      topics.map(topic => {
        const bases = proven.flatMap(([base, its]) => (its?.has(topic) ? [base] : []))
        return [topic, pick(bases.map(advertisedTarget), topic)]
      }),
    )
    impostors.report(hosts, identities.lastOf, deps.mayBeUnproven)
  }
  /** Those that are told already stay: however many adverts are made, they push nobody out. The rest is by lot. */
  function pick(targets: readonly string[], topic: string): string[] {
    const before = new Set(told.get(topic))
    const lots = new Map(targets.map(target => [target, before.has(target) ? '' : lot(target)]))
    const lotOf = (target: string) => lots.get(target) ?? ''
    return [...targets].sort((a, b) => (lotOf(a) < lotOf(b) ? -1 : 1)).slice(0, peersMax)
  }
  /** What it says under the key that it has proven; undefined while it has not said who it is. */
  function provenTopics(base: string, claims: Claims): ReadonlySet<string> | undefined {
    const key = identities.lastOf(base)
    return key === undefined ? undefined : topicsUnder(key, claims, deps.mayBeUnproven)
  }
  function isDoubted(base: string, claims: Claims): boolean {
    const key = identities.lastOf(base)
    return [...claims.keys()].some(claimed => isImpostor(claimed, key, deps.mayBeUnproven))
  }
  /** The host is compared with its adverts once more where that was long ago, or never happened in this process. */
  async function topicsNow(base: string, stop: AbortSignal): Promise<ReadonlySet<string>> {
    const key = await identities.of(base, stop)
    return topicsUnder(key, hosts.get(base) ?? new Map(), deps.mayBeUnproven)
  }
  const callProven: Outgoing = async (url, request) => {
    const { origin } = new URL(url)
    const its = await topicsNow(origin, request?.stop ?? stopped.signal)
    if (its.size === 0) throw new Error(`${origin} is not asked: no advert names the key that it proves`)
    return call(url, request)
  }
  async function lookAgain(): Promise<void> {
    while (!stopped.signal.aborted) {
      await pause(refreshMs, stopped.signal)
      if (!stopped.signal.aborted) await look().catch(onTrouble)
    }
  }
  let looking: Promise<void> = Promise.resolve()

  return {
    targetsOf: topic => told.get(topic) ?? [],
    // One that is not picked here, or not asked yet who it is, may be told by another process.
    topicsOf(target) {
      if (!isWhole) return undefined
      const base = baseOfAdvertised(target) ?? target
      const claims = hosts.get(base)
      return claims === undefined ? none : (provenTopics(base, claims) ?? allTopics(claims))
    },
    async post(base, beef, about, offChainValues, stop) {
      const its = await topicsNow(base, stop)
      const proven = about.filter(topic => its.has(topic))
      return proven.length === 0 ? [] : postToPeer(call)(base, beef, proven, offChainValues, stop)
    },
    all() {
      const advertised = new Map<string, string[]>()
      for (const [topic, targets] of told)
        for (const target of targets) advertised.set(target, [...(advertised.get(target) ?? []), topic])
      return [
        ...named.map(base => ({ name: base, base, topics, call: callNamed })),
        ...[...advertised].map(([name, its]) => ({
          name,
          base: baseOfAdvertised(name) ?? name,
          topics: its,
          call: callProven,
        })),
      ]
    },
    async start() {
      await look().catch(onTrouble)
      const enough = new AbortController()
      await Promise.race([identities.settled(), pause(FIRST_HANDSHAKES_MS, enough.signal)])
      enough.abort()
      looking = lookAgain()
    },
    async stop() {
      stopped.abort()
      await Promise.all([looking, identities.stop()])
    },
  }
}

const none: ReadonlySet<string> = new Set()

/** One spelling of an address; undefined where it cannot be called, so that nothing is written down for it. */
function baseOf(address: string, network: Network): string | undefined {
  const read = readOutgoingUrl(address, { mayBePlain: network === 'local' })
  if (!read.ok) return undefined
  const { url, hostname, isPlain, host } = read
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return undefined
  const isOurs = /^localhost\.?$/.test(hostname) || (isIP(hostname) !== 0 && isLoopback(hostname))
  if (isOurs) return network === 'local' ? host : undefined
  if (isPlain || (isIP(hostname) !== 0 && whyNotPublic(hostname) !== undefined)) return undefined
  return host
}
