import { HOST_ADDRESS_CHARS_MAX } from '../src/contract/host-address.ts'
import type { HostAdvertKind } from '../src/contract/host-advert.ts'
import type { AdvertBounds } from './advert-topic.ts'
import { boundsSentence, localSentence } from './shared-sentences.ts'

/** What a host serves to people; docs/topics/tm_ship.md and tm_slap.md are these pages with the default bounds. */
export function hostAdvertsDocumentation(kind: HostAdvertKind, bounds: AdvertBounds): string {
  const { topic, service, means, protocol, prefix, what, example } = words[kind]
  return `# ${topic}

Hosts say here ${means}: a ${kind} advert (BRC-88) is one output of a transaction, signed by the host and locked to it.

## What is admitted

Every output of the submitted transaction that

* holds at least one satoshi,
* is a script \`21 <key> AC <${kind}> <identity key> <domain> <name> <signature> 6D 6D 75\`, five pushes in their shortest
  form, as a stock wallet's PushDrop writes them,
* has an identity that is a compressed public key,
* has a domain that is the base URL of a host: \`https://host\`, with a port if need be, and at most a slash behind it; or
  one of the other schemes of BRC-101 (\`https+bsvauth\`, \`https+bsvauth+smf\`, \`https+bsvauth+scrypt-offchain\`,
  \`https+rtt\`, \`wss\`, \`js8c+bsvauth+smf\`); in visible ASCII, at most ${HOST_ADDRESS_CHARS_MAX} characters, without an underscore, which
  keeps a byte from moving between domain and name under one signature,
* has a name that is ${what} as BRC-87 has it: \`${prefix}\` and segments of the letters a to z joined by single underscores, at
  most 50 characters in all,
* is signed by the identity over the four pushes before the signature, joined: a BRC-42/43 key of protocol
  \`${protocol}\`, security level 2, key id \`1\`, counterparty \`anyone\`; strict DER, low S,
* is locked to the same key, so that its host alone can withdraw it.

${localSentence(bounds)} ${boundsSentence(bounds)}

Nothing else is asked: no clock, no table, no list of hosts. Two equal adverts are both admitted, and \`${service}\` answers
with the later one. **To withdraw an advert, spend it** and submit the spend here; nothing of it stays on record.

## What is not said by being admitted

That the host is there, that it is honest, or that the domain is its own. Whoever calls it compares the identity that it
proves with the one in the advert.

## Making one

With the stock SDK:

\`\`\`js
import { PushDrop, Utils } from '@bsv/sdk'

const { publicKey } = await wallet.getPublicKey({ identityKey: true })
const fields = [
  Utils.toArray('${kind}', 'utf8'),
  Utils.toArray(publicKey, 'hex'),
  Utils.toArray('https://node.example', 'utf8'),
  Utils.toArray('${example}', 'utf8'),
]

const token = new PushDrop(wallet)
const lockingScript = await token.lock(fields, [2, '${protocol}'], '1', 'anyone', true)
const unlockLater = token.unlock([2, '${protocol}'], '1', 'anyone')
\`\`\`

The SDK's \`OverlayAdminTokenTemplate\` reads adverts, but those that it writes are signed for nobody else to verify, and are
not admitted here. \`hostAdvertScript\` of \`assay/contract\` writes what the lines above do. Look adverts up with \`${service}\`.
`
}

const words = {
  SHIP: {
    topic: 'tm_ship',
    service: 'ls_ship',
    means: 'which topics they take transactions for',
    protocol: 'service host interconnect',
    prefix: 'tm_',
    what: 'a topic',
    example: 'tm_gitdata_events_ingest',
  },
  SLAP: {
    topic: 'tm_slap',
    service: 'ls_slap',
    means: 'which lookup services they answer for',
    protocol: 'service lookup availability',
    prefix: 'ls_',
    what: 'a lookup service',
    example: 'ls_gitdata_events',
  },
} as const
