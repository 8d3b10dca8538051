import { type BeefTransaction, readBeef, writeBeef } from '../../src/contract/beef.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { varInt } from '../../src/contract/transaction.ts'
import { concat, utf8 } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type CertifiedRound, certifiedRound, type RoundOptions, sampleEvent } from './certified-round.ts'
import { party } from './pipeline.ts'
import { faucetMoney } from './stock-wallet.ts'

/** A whole round as it stands in the BEEF of its certificate, paid for on a node's local chain. */
export type MadeUpCertificate = {
  readonly txid: string
  readonly round: CertifiedRound
  readonly beef: Uint8Array
  readonly offChainValues: Uint8Array
}

/** Of packets with an event each, which no other number has. */
export async function certificateFor(
  nodeUrl: string,
  n: number,
  options: RoundOptions = {},
): Promise<MadeUpCertificate> {
  const log = party('log')
  const money = await faucetMoney(nodeUrl, log, 20_000)
  const { subject: source, transactions: origin } = orThrow(readBeef(Uint8Array.from(money.toBEEF())))
  const [spent] = source.outputs
  if (spent === undefined) throw new Error('the faucet has given nothing')
  const spend = { txid: source.txid, vout: 0, spent, privateKey: log.privateKey }
  const round = certifiedRound({
    events: [[sampleEvent(n)]],
    ...options,
    fuelFrom: outputs => [source, signTransaction([spend], outputs)],
  })
  const transactions: BeefTransaction[] = [...origin, ...round.transactions.slice(1)]
  const manifests = round.packets.map(({ certified }) => `${certified.manifestJson}\n`).join('')
  return {
    txid: transactions.at(-1)?.txid ?? '',
    round: { ...round, transactions },
    beef: writeBeef(transactions),
    offChainValues: utf8(manifests),
  }
}

/** As a coordinator does: with the manifests beside it. */
export async function submitCertificate(
  nodeUrl: string,
  { beef, offChainValues }: Pick<MadeUpCertificate, 'beef' | 'offChainValues'>,
): Promise<void> {
  const response = await fetch(`${nodeUrl}/submit`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/octet-stream',
      'X-Topics': JSON.stringify([baseTopics.certified, baseTopics.certify]),
      'x-includes-off-chain-values': 'true',
    },
    body: Uint8Array.from(concat(varInt(beef.length), beef, offChainValues)),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  if (!text.includes('"outputsToAdmit":[1')) throw new Error(`the certificate is not admitted: ${text}`)
}
