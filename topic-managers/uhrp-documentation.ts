import { UHRP_LOCATION_CHARS_MAX } from '../src/contract/uhrp-advert.ts'
import type { AdvertBounds } from './advert-topic.ts'
import { boundsSentence, localSentence } from './shared-sentences.ts'

/** What a host serves to people; docs/topics/tm_uhrp.md is this page with the default bounds. */
export function uhrpDocumentation(bounds: AdvertBounds): string {
  return `# tm_uhrp

Hosts of content say here what they keep, named by its hash (BRC-26), where it can be fetched, and until when. An advert is
one output of a transaction, signed by the host and locked to it.

## What is admitted

Every output of the submitted transaction that

* holds at least one satoshi,
* is a script \`21 <key> AC <host> <hash> <url> <expiry> <size> <signature> 6D 6D 6D\` with its six pushes as a stock wallet's
  PushDrop writes them: in their shortest form, where a push of one byte from 1 to 16 is \`51\` to \`60\` and one of the byte
  \`81\` is \`4F\`,
* has a host that is a compressed public key, and a hash of 32 bytes, SHA-256 of the content,
* has a URL of \`https\` without user or password, in visible ASCII, at most ${UHRP_LOCATION_CHARS_MAX.toLocaleString('en-US')} characters,
* has an expiry (seconds since 1970 UTC, not on that year's first day) and a size (bytes, at least one) that are variable-length integers in
  their shortest form, so that it is certain where one field ends and the next begins,
* is signed by the host over the five pushes before the signature, joined: a BRC-42/43 key of protocol
  \`uhrp advertisement\`, security level 2, key id \`1\`, counterparty \`anyone\`; strict DER, low S,
* is locked to the same key, so that its host alone can withdraw it.

${localSentence(bounds)} ${boundsSentence(bounds)}

Nothing else is asked: no clock, no table. What has expired is left out of answers, and not refused. **To withdraw an advert,
spend it** and submit the spend here; nothing of it stays on record. To keep content for longer, advertise it again.

## What is not said by being admitted

That the content is there. Whoever fetches it compares its hash.

## Making one

With the stock SDK:

\`\`\`js
import { PushDrop, StorageUtils, Utils } from '@bsv/sdk'

const { publicKey } = await wallet.getPublicKey({ identityKey: true })
const uhrpUrl = StorageUtils.getURLForFile(content)
const fields = [
  Utils.toArray(publicKey, 'hex'),
  StorageUtils.getHashFromURL(uhrpUrl),
  Utils.toArray('https://files.example/content', 'utf8'),
  new Utils.Writer().writeVarIntNum(2_000_000_000).toArray(),
  new Utils.Writer().writeVarIntNum(content.length).toArray(),
]

const token = new PushDrop(wallet)
const lockingScript = await token.lock(fields, [2, 'uhrp advertisement'], '1', 'anyone', true)
const unlockLater = token.unlock([2, 'uhrp advertisement'], '1', 'anyone')
\`\`\`

The SDK reads a size of 16 bytes as nothing at all; its downloader does not look at sizes. \`uhrpAdvertScript\` of \`assay/contract\`
writes what the lines above do. Look adverts up with \`ls_uhrp\`.
`
}
