import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { sha256Hex } from '#sha256'
import { utf8 } from '../../core/bytes.ts'
import type { Network } from '../../core/network.ts'
import { pause } from '../../runtime/pause.ts'
import type { Outgoing } from '../outgoing/outgoing.ts'
import { isLoopback, whyNotPublic } from '../outgoing/public-address.ts'
import { readOutgoingUrl } from '../outgoing/read-outgoing-url.ts'
import type { AdvertisedHosts } from '../overlay/deliver.ts'
import { postToPeer } from '../overlay/post-to-peer.ts'
import { advertisedTarget, baseOfAdvertised } from '../overlay/targets.ts'

/** Who says of itself, by a SHIP advert that stands, that it hosts a topic. */
export type AdvertisedHost = {
  readonly identityKey: string
  /** As the advert spells it. */
  readonly domain: string
  readonly txid: string
  readonly vout: number
}

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
  readonly onTrouble: (error: unknown) => void
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
  /** Resolves after the first look; looks again until stopped. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** Of one topic. With others each node picks others, so that word gets around to all. */
export const PEERS_PER_TOPIC_MAX = 32
export const REFRESH_MS = 5000
/** Of one topic, in one look. */
const ADVERTS_READ_MAX = 10_000

/** The hosts beside us, kept in memory: asked by every submission, and read from the adverts behind its back. */
export function openPeers(deps: PeersDeps): Peers {
  const { topics, named, call, callNamed, onTrouble } = deps
  const { peersMax = PEERS_PER_TOPIC_MAX, refreshMs = REFRESH_MS } = deps
  const self = new Set([...deps.self.addresses, ...named].map(address => baseOf(address, deps.network)))
  const seed = randomBytes(16).toString('hex')
  const lot = (target: string) => sha256Hex(utf8(seed + target))
  let known: Look = { hosts: new Map(), told: new Map(), isWhole: false }
  const stopped = new AbortController()

  async function look(): Promise<void> {
    const hosts = new Map<string, Set<string>>()
    const told = new Map<string, readonly string[]>()
    for (const topic of topics) {
      const bases = await basesOf(topic)
      const targets = bases.map(advertisedTarget)
      for (const target of targets) hosts.set(target, (hosts.get(target) ?? new Set()).add(topic))
      told.set(topic, pick(targets, topic))
    }
    known = { hosts, told, isWhole: true }
  }
  async function basesOf(topic: string): Promise<string[]> {
    const adverts = (await deps.hostsOf(topic)).slice(0, ADVERTS_READ_MAX)
    const others = adverts.filter(({ identityKey }) => identityKey !== deps.self.identityKey)
    const bases = new Set(others.map(({ domain }) => baseOf(domain, deps.network)))
    return [...bases].flatMap(base => (base === undefined || self.has(base) ? [] : [base]))
  }
  /** Those that are told already stay: however many adverts are made, they push nobody out. The rest is by lot. */
  function pick(targets: readonly string[], topic: string): string[] {
    const before = new Set(known.told.get(topic))
    const lots = new Map(targets.map(target => [target, before.has(target) ? '' : lot(target)]))
    const lotOf = (target: string) => lots.get(target) ?? ''
    return [...targets].sort((a, b) => (lotOf(a) < lotOf(b) ? -1 : 1)).slice(0, peersMax)
  }
  async function lookAgain(): Promise<void> {
    while (!stopped.signal.aborted) {
      await pause(refreshMs, stopped.signal)
      if (!stopped.signal.aborted) await look().catch(onTrouble)
    }
  }
  let looking: Promise<void> = Promise.resolve()

  return {
    targetsOf: topic => known.told.get(topic) ?? [],
    // One that is not picked here may be told by another process.
    topicsOf: target => (known.isWhole ? (known.hosts.get(target) ?? none) : undefined),
    post: postToPeer(call),
    all() {
      const advertised = new Map<string, string[]>()
      for (const [topic, targets] of known.told)
        for (const target of targets) advertised.set(target, [...(advertised.get(target) ?? []), topic])
      return [
        ...named.map(base => ({ name: base, base, topics, call: callNamed })),
        ...[...advertised].map(([name, its]) => ({
          name,
          base: baseOfAdvertised(name) ?? name,
          topics: its,
          call,
        })),
      ]
    },
    async start() {
      await look().catch(onTrouble)
      looking = lookAgain()
    },
    async stop() {
      stopped.abort()
      await looking
    },
  }
}

type Look = {
  /** By target: all that it advertises of what is hosted here. */
  readonly hosts: ReadonlyMap<string, ReadonlySet<string>>
  /** By topic: those that are told. */
  readonly told: ReadonlyMap<string, readonly string[]>
  readonly isWhole: boolean
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
