import { agentAdvertIn } from '../../contract/agent-advert.ts'
import { type HostAddress, readEndpoint, readHostAddress } from '../../contract/host-address.ts'
import { type HostAdvert, readHostAdvert } from '../../contract/host-advert.ts'
import { baseTopics } from '../../contract/names.ts'
import { readToken, type TokenOf } from '../../contract/tokens.ts'
import { knownHex } from '../../core/bytes.ts'
import { accepted, type Outcome, refused, refusedInside } from '../../core/fault.ts'
import { stages } from '../../core/rounds/template.ts'

/** Adverts that an agent wants to be paid for, as its topics would take them. */
export type AskedAdverts = {
  readonly agentKey: string
  readonly operator: string
  readonly expiresMs: number
  readonly adverts: readonly AskedAdvert[]
}

export type AskedAdvert = {
  readonly script: Uint8Array
  readonly kind: 'GDA1' | 'SHIP'
  /** The topic of a SHIP advert; of a GDA1 what it is admitted to. */
  readonly name: string
}

export type AdvertRules = {
  readonly nowMs: number
  /** Whether an address may be one that nobody else can reach. */
  readonly allowLocal: boolean
}

/** The first script is the agent's own advert, the others say of the same key that it hosts topics of its stages. */
export function readAdverts(scripts: readonly string[], rules: AdvertRules): Outcome<AskedAdverts> {
  const [first = new Uint8Array(0), ...others] = scripts.map(knownHex)
  const advert = readAgent(first, rules)
  if (!advert.ok) return refusedInside(advert.fault, '/scripts/0')
  const { issuer: agentKey, body } = advert.value
  const adverts: AskedAdvert[] = [{ script: first, kind: 'GDA1', name: baseTopics.agents }]
  for (const [i, script] of others.entries()) {
    const host = readHost(script, advert.value, rules)
    if (!host.ok) return refusedInside(host.fault, `/scripts/${i + 1}`)
    if (adverts.some(({ name }) => name === host.value.name))
      return refused('token-invalid', 'it says the same as another one', `/scripts/${i + 1}`)
    adverts.push({ script, kind: 'SHIP', name: host.value.name })
  }
  return accepted({ agentKey, operator: body.operator, expiresMs: body.expiresMs, adverts })
}

function readAgent(script: Uint8Array, { nowMs, allowLocal }: AdvertRules): Outcome<TokenOf<'GDA1'>> {
  const advert = agentAdvertIn(script)
  if (advert === undefined) {
    const token = readToken(script)
    return invalid(
      token.ok ? `it is a ${token.value.tag}, not a GDA1` : `it is no GDA1: ${token.fault.detail}`,
    )
  }
  const { expiresMs, endpoints, capabilities } = advert.body
  if (expiresMs <= nowMs)
    return invalid(`it expired at ${new Date(expiresMs).toISOString()}; sign a later one`)
  const odd = endpoints.find(url => !mayBeCalled(readEndpoint(url), allowLocal))
  if (odd !== undefined) return invalid(`its endpoint ${odd} is not one that others can reach`)
  if (!stages.some(stage => capabilities.includes(stage)))
    return invalid(`it is capable of none of ${stages.join(', ')}`)
  return accepted(advert)
}

function readHost(
  script: Uint8Array,
  { issuer, body }: TokenOf<'GDA1'>,
  { allowLocal }: AdvertRules,
): Outcome<HostAdvert> {
  const advert = readHostAdvert(script)
  if (!advert.ok) return advert
  const { kind, identityKey, name, domain } = advert.value
  if (kind !== 'SHIP') return invalid(`it is a ${kind} advert, and only SHIP adverts are paid for`)
  if (identityKey !== issuer) return invalid('it is of another key than the first advert')
  if (!stages.some(stage => body.capabilities.includes(stage) && baseTopics[stage] === name))
    return invalid(`${name} is the topic of none of the capabilities in the first advert`)
  const address = readHostAddress(domain)
  const isEndpoint = body.endpoints.some(url => readEndpoint(url)?.origin === address?.base)
  return mayBeCalled(address, allowLocal) && isEndpoint
    ? advert
    : invalid(`${domain} is the address of none of the endpoints in the first advert`)
}

function mayBeCalled(address: Pick<HostAddress, 'isLocal'> | undefined, allowLocal: boolean): boolean {
  return address !== undefined && (allowLocal || !address.isLocal)
}

function invalid(why: string): Outcome<never> {
  return refused('token-invalid', why)
}
