import { type LockingScript, PrivateKey, ProtoWallet, PushDrop, Utils, type WalletProtocol } from '@bsv/sdk'
import type { HostAdvertKind } from '../../src/contract/host-advert.ts'
import type { Party } from './pipeline.ts'

/* Adverts as a wallet makes and checks them that knows the stock SDK and nothing of ours. */

export const hostProtocols: Record<HostAdvertKind, WalletProtocol> = {
  SHIP: [2, 'service host interconnect'],
  SLAP: [2, 'service lookup availability'],
}
export const uhrpProtocol: WalletProtocol = [2, 'uhrp advertisement']

export type HostFields = { kind: HostAdvertKind; domain: string; name: string; identityKey?: string }
export type LockedFor = { counterparty?: string; forSelf?: boolean; protocol?: WalletProtocol }

export function stockHostAdvert(
  owner: Party,
  { kind, domain, name, identityKey = owner.identityKey }: HostFields,
  locked: LockedFor = {},
): Promise<Uint8Array> {
  const fields = [utf8(kind), Utils.toArray(identityKey, 'hex'), utf8(domain), utf8(name)]
  return stockPushDrop(owner, fields, { protocol: hostProtocols[kind], ...locked })
}

export type UhrpFields = {
  hash: string
  url: string
  expirySeconds: number
  size: number
  identityKey?: string
}

export function stockUhrpAdvert(
  owner: Party,
  { hash, url, expirySeconds, size, identityKey = owner.identityKey }: UhrpFields,
  locked: LockedFor = {},
): Promise<Uint8Array> {
  const fields = [
    Utils.toArray(identityKey, 'hex'),
    Utils.toArray(hash, 'hex'),
    utf8(url),
    new Utils.Writer().writeVarIntNum(expirySeconds).toArray(),
    new Utils.Writer().writeVarIntNum(size).toArray(),
  ]
  return stockPushDrop(owner, fields, { protocol: uhrpProtocol, ...locked })
}

export async function stockPushDrop(
  owner: Party,
  fields: number[][],
  { counterparty = 'anyone', forSelf = true, protocol = uhrpProtocol }: LockedFor,
): Promise<Uint8Array> {
  const script = await stockToken(owner).lock(fields, protocol, '1', counterparty, forSelf)
  return Uint8Array.from(script.toBinary())
}

export function stockToken({ privateKey }: Party): PushDrop {
  // PushDrop asks a wallet for keys and signatures alone, which is what a ProtoWallet has.
  return new PushDrop(
    new ProtoWallet(new PrivateKey([...privateKey])) as unknown as ConstructorParameters<typeof PushDrop>[0],
  )
}

/** Whether the first field that is a key has signed all that comes before the last one, and alone spends it. */
export async function stockLinked(
  script: LockingScript,
  identity: number,
  protocolID: WalletProtocol,
): Promise<boolean> {
  const anyone = new ProtoWallet('anyone')
  try {
    const { fields, lockingPublicKey } = PushDrop.decode(script)
    const signature = fields.at(-1) ?? []
    const link = { protocolID, keyID: '1', counterparty: Utils.toHex(fields[identity] ?? []) }
    const { valid } = await anyone.verifySignature({ ...link, data: fields.slice(0, -1).flat(), signature })
    const { publicKey } = await anyone.getPublicKey(link)
    return valid && publicKey === lockingPublicKey.toString()
  } catch {
    // The wallet throws over a signature that does not hold, as over a script that is none.
    return false
  }
}

function utf8(text: string): number[] {
  return Utils.toArray(text, 'utf8')
}
