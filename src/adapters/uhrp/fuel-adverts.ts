import { baseTopics } from '../../contract/names.ts'
import type { Spend } from '../../contract/spend.ts'
import type { Issuer } from '../../contract/tokens.ts'
import { readUhrpAdvert, uhrpAdvertScript, uhrpAdvertSpendingKey } from '../../contract/uhrp-advert.ts'
import { orThrow } from '../../core/fault.ts'
import type { Fuel } from '../fuel/fuel.ts'
import type { Queryable } from '../postgres/sql.ts'
import type { Adverts } from './adverts.ts'

/** Adverts as tokens of `tm_uhrp`. The name of one is its outpoint, <txid>.<index>. */
export function fuelAdverts({
  fuel,
  identities,
}: {
  readonly fuel: Pick<Fuel, 'write' | 'find' | 'dead'>
  /** Every identity that this node has had, the one in use last. */
  readonly identities: readonly [Issuer, ...Issuer[]]
}): Adverts {
  const [first, ...later] = identities
  const issuer = later.at(-1) ?? first

  /** Nothing where it was never taken: there is nothing then to take back. */
  async function spendOf(advert: string | undefined, db: Queryable): Promise<Spend[]> {
    const [txid = '', index = ''] = advert?.split('.') ?? []
    const spent = (txid === '' ? undefined : await fuel.find(txid, db))?.outputs[Number(index)]
    if (spent === undefined) return []
    const { hostIdentityKey } = orThrow(readUhrpAdvert(spent.script))
    const owner = identities.find(({ identityKey }) => identityKey === hostIdentityKey)
    if (owner === undefined)
      throw new Error(
        `the advert ${advert} is of ${hostIdentityKey}, a key that this node has not got: restore it`,
      )
    return [{ txid, vout: Number(index), spent, privateKey: uhrpAdvertSpendingKey(owner.privateKey) }]
  }

  return {
    async advertise({ sha256, url, length, expirySeconds, version, replaces }, db) {
      const script = uhrpAdvertScript(issuer, { hash: sha256, url, expirySeconds, size: length })
      const written = await fuel.write(
        { subject: sha256, stage: 'content-advert', rebuild: version },
        {
          spends: await spendOf(replaces, db),
          outputs: [{ satoshis: 1, script }],
          topics: [baseTopics.uhrp],
        },
        db,
      )
      return `${orThrow(written).txid}.0`
    },
    async withdraw({ sha256, version, advert }, db) {
      const spends = await spendOf(advert, db)
      if (spends.length === 0) return
      orThrow(
        await fuel.write(
          { subject: sha256, stage: 'content-withdrawal', rebuild: version },
          { spends, outputs: [], topics: [baseTopics.uhrp] },
          db,
        ),
      )
    },
    async lost(adverts) {
      const dead = new Set(await fuel.dead([...new Set(adverts.map(txidOf))]))
      return adverts.filter(advert => dead.has(txidOf(advert)))
    },
  }
}

function txidOf(advert: string): string {
  return advert.split('.')[0] ?? ''
}
