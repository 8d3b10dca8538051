import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6, type Socket } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Whether an address, as `clientAddress` spells it, is in one of some networks. */
export type Networks = (address: string) => boolean

/** Of CIDRs, or single addresses. What cannot be read is no network, so that nobody is let in by a misprint. */
export function networksOf(cidrs: readonly string[]): Networks {
  if (cidrs.length === 0) return () => false
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/')
    const plain = plainAddress(address)
    if (plain === undefined || (bits !== undefined && !/^\d{1,3}$/.test(bits))) continue
    const family = isIPv6(plain) ? 'ipv6' : 'ipv4'
    const widest = family === 'ipv6' ? 128 : 32
    // One of version 4 written as version 6 counts 96 bits in front of it.
    const mapped = isIPv6(address) && family === 'ipv4' ? 96 : 0
    const prefix = bits === undefined ? widest : Number(bits) - mapped
    if (prefix >= 0 && prefix <= widest) list.addSubnet(plain, prefix, family)
  }
  const isIn = (address: string) =>
    isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  return remembered(isIn)
}

/** A client comes again and again, and asking the list costs more than all the rest of a small request. */
function remembered(isIn: Networks): Networks {
  const known = new Map<string, boolean>()
  return address => {
    let answer = known.get(address)
    if (answer === undefined) {
      if (known.size >= ADDRESSES_MAX) known.clear()
      answer = isIn(address)
      known.set(address, answer)
    }
    return answer
  }
}

const ADDRESSES_MAX = 1000

/**
 * Where a request comes from: the socket's other end or, where that is one of our own proxies, what the proxies say.
 * Each appends to X-Forwarded-For whom it got the request from, so the right-most entry that is no proxy of ours is
 * the last one that somebody we trust has seen; whatever stands left of it, anybody can have made up. `Forwarded` and
 * X-Real-IP say the same in ways that not every proxy cleans, and are not read. Undefined: it cannot be told.
 */
export function clientAddress(request: IncomingMessage, isProxy: Networks): string | undefined {
  let address = addressOf(request.socket)
  if (address === undefined || !isProxy(address)) return address
  const entries = String(request.headers['x-forwarded-for'] ?? '').split(',')
  while (address !== undefined && isProxy(address)) {
    const before = entries.pop()?.trim()
    if (before === undefined || before === '') return address
    address = plainAddress(withoutPort(before))
  }
  return address
}

const addresses = new WeakMap<object, string>()

function addressOf(socket: Pick<Socket, 'remoteAddress'>): string | undefined {
  const known = addresses.get(socket)
  if (known !== undefined) return known
  const address = plainAddress(socket.remoteAddress ?? '')
  if (address !== undefined) addresses.set(socket, address)
  return address
}

function withoutPort(entry: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry
}

/** In one spelling: without a zone, and of version 4 where it is only wrapped in version 6. */
function plainAddress(text: string): string | undefined {
  const [bare = ''] = text.split('%')
  return isIP(bare) === 0 ? undefined : ipaddr.process(bare).toString()
}
