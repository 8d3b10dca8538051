import { EVENTS_INLINE_BYTES_MAX } from '../src/contract/token-bodies.ts'

export type EventsIngestBounds = {
  readonly offChainBytesMax: number
  readonly batchesMax: number
  readonly beefBytesMax: number
}

/** What a host serves to people; docs/topics/tm_gitdata_events_ingest.md is this page with the default bounds. */
export function eventsIngestDocumentation({
  offChainBytesMax,
  batchesMax,
  beefBytesMax,
}: EventsIngestBounds) {
  const number = (value: number) => value.toLocaleString('en-US')
  return `# tm_gitdata_events_ingest

Publishers submit batches of events here. A batch is one output of a transaction: a \`GDE1\` token, signed by the
publisher and locked to the publisher. The events are NDJSON, one JSON text per line; the token names their SHA-256.

## What is admitted

Every output of the submitted transaction that

* holds at least one satoshi,
* is a script \`21 <key> AC <tag> <issuer> <subject> <body> <signature> 6D 6D 75\` whose five pushes are in their
  shortest form,
* has the tag \`GDE1\`, an issuer that is a compressed public key, and a subject of 32 bytes,
* has a body that is deterministic CBOR, a map of \`0\` streamId, \`1\` sourceId, \`2\` count and, where the events are
  not off-chain, either \`3\` the events or \`4\` a URL,
* is signed by the issuer over the four pushes before the signature: a BRC-42/43 key of protocol
  \`gitdata event batch\`, security level 2, key id the subject in hex, counterparty \`anyone\`; strict DER, low S,
* is locked to the same key, so that its publisher alone can take the satoshi back,

of a transaction of version 1 with final sequences (\`ffffffff\`), in a BEEF of version 1 (BRC-62). A transaction
with other outputs besides is welcome, and so is one that is mined already.

| the events travel | and | at most |
|---|---|---|
| inline, in the body | must hash to the subject | ${number(EVENTS_INLINE_BYTES_MAX)} bytes |
| as off-chain values of the submission | must hash to the subject | ${number(offChainBytesMax)} bytes |
| behind a URL | are admitted unread and checked when they are fetched | |

A transaction with a batch whose off-chain values are missing, or are others, is not admitted at all; submit it again
with them, nothing is lost. One submission has one string of off-chain values, so give each such batch a transaction
of its own. A BEEF has at most ${number(beefBytesMax)} bytes and a transaction at most ${number(batchesMax)} batches; with more of them
none is admitted.

Spent batches stay on record. Nothing else is asked of a coin, and no clock or list of publishers is looked at: two
hosts admit the same outputs.

## What is not said by being admitted

That the events are sound, or that the publisher may speak for the source. The ingest of a node takes each
(issuer, subject) once, and only where the source is registered to that issuer; otherwise the batch is set aside whole.

## Making one

With the stock SDK and any library that writes deterministic CBOR:

\`\`\`js
import { Hash, PushDrop, Utils } from '@bsv/sdk'
import { encode } from 'cborg'

const events = Utils.toArray('{"celsius":21.5}\\n{"celsius":21.7}\\n', 'utf8')
const { publicKey } = await wallet.getPublicKey({ identityKey: true })
const subject = Hash.sha256(events)
const body = encode(new Map([[0, 'greenhouse'], [1, 'sensor-1'], [2, 2], [3, Uint8Array.from(events)]]))
const fields = [Utils.toArray('GDE1', 'utf8'), Utils.toArray(publicKey, 'hex'), subject, [...body]]

const token = new PushDrop(wallet)
const lockingScript = await token.lock(fields, [2, 'gitdata event batch'], Utils.toHex(subject), 'anyone', true)
const unlockLater = token.unlock([2, 'gitdata event batch'], Utils.toHex(subject), 'anyone')
\`\`\`

Here \`eventBatchToken\` of \`assay/contract\` does the same, bounds included. Look batches up with \`ls_gitdata_events\`.
`
}
