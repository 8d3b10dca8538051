import { lookup, Resolver } from 'node:dns/promises'

/** All addresses of a host. */
export type ResolveHost = (hostname: string) => Promise<readonly string[]>

const ANSWER_MS_MAX = 2000
const TRIES = 2

/**
 * Asks name servers, and nobody else. The system's own way would also do for hosts that strangers name, but it takes
 * a thread for as long as their name servers like, and there are four for everything that this process does.
 */
export const resolveByDns: ResolveHost = async hostname => {
  if (/^localhost\.?$/i.test(hostname)) return ['127.0.0.1', '::1']
  const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
  const found = [four, six].flatMap(answer => (answer.status === 'fulfilled' ? answer.value : []))
  if (found.length === 0 && four.status === 'rejected')
    throw new Error('cannot be found by its name', { cause: four.reason })
  return found
}

const resolver = new Resolver({ timeout: ANSWER_MS_MAX, tries: TRIES })

/** As every program on this machine would find it, files and local names included. */
export const resolveBySystem: ResolveHost = async hostname =>
  (await lookup(hostname, { all: true })).map(({ address }) => address)
