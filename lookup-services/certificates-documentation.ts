import { CERTIFICATES_LOOKUP_LIMIT_DEFAULT, CERTIFICATES_LOOKUP_LIMIT_MAX } from './certificates-query.ts'
import { IN_PART } from './query-members.ts'

/** What a host serves to people; docs/topics/ls_gitdata_certificates.md is this page. */
export function certificatesLookupDocumentation(): string {
  return `# ls_gitdata_certificates

Finds the certificates that \`tm_gitdata_events_certified\` admitted, one output per packet, also those that are spent: revoked, or
superseded by another.

## Asking

A query is an object of these members, all optional; what fits all of them is answered. An unknown member, or one of
another form, is refused with \`ERR_LOOKUP_INVALID_QUERY\` and its JSON Pointer.

| member | |
|---|---|
| \`packetId\`, \`versionId\`, \`roundId\` | 32 bytes in lower-case hex |
| \`eventId\` | an event of this host's own log: the packet it is in |
| \`supersedes\` | the version that it says to take the place of |
| \`contentHash\` | SHA-256 of the certified output |
| \`streamId\`, \`partition\`, \`packetNo\` | where the packet stands in its log |
| \`sourceId\` | a source with events in the packet |
| \`publisherKey\` | identity key of who answers for the data, as the manifest names its producer |
| \`createdFromMs\`, \`createdToMs\` | when the last of its events came: at or after, and before |
| \`coordinator\` | identity key of the log that issued it: 33 bytes in lower-case hex |
| \`agentKey\`, \`operator\` | identity key of an agent, or of who answers for one, with a seat in the round |
| \`txid\` | the transaction that it is an output of |
| \`template\`, \`level\` | \`"packet"\`, or \`"aggregate"\` for windows and rollups; such as \`"enhanced"\` |
| \`spent\` | \`false\`: those that stand |
| \`admittedFromMs\`, \`admittedToMs\` | when it was admitted here: at or after, and before |
| \`order\` | by when it was admitted here: \`"desc"\` (latest first; so it is when left out) or \`"asc"\` |
| \`limit\` | 1 to ${CERTIFICATES_LOOKUP_LIMIT_MAX}; ${CERTIFICATES_LOOKUP_LIMIT_DEFAULT} when left out |
| \`cursor\` | from the context of the last output of the page before |

\`{}\`, \`{"findAll": true}\` and \`"findAll"\` ask for all of them; \`order\`, \`limit\` and \`cursor\` may stand beside \`findAll\`, the
others may not.

\`\`\`json
{"coordinator": "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "streamId": "greenhouse", "partition": 0, "packetNo": 17}
\`\`\`

## The answer

An output list: each output with its BEEF, and a context, which is UTF-8 JSON, so that a wallet need not read tokens:

\`\`\`json
{"admittedMs": 1790000000000, "cursor": "…", "coordinator": "02…", "versionId": "…", "roundId": "…", "index": 0, "template": "packet", "level": "enhanced", "packetId": "…", "contentHash": "…", "streamId": "greenhouse", "partition": 0, "packetNo": 17, "publisherKey": "02…", "createdMs": 1789999999000, "spent": false}
\`\`\`

\`contentHash\`, \`streamId\`, \`partition\`, \`packetNo\`, \`publisherKey\` and \`createdMs\` are from the manifest, and there where it came along with the certificate: a
manifest counts only if it hashes to the version. Beside certificates of restricted streams none travels. Its packetId counts too, over the token's, which nobody has judged: without the manifest \`packetId\` is the
coordinator's word alone. A window or a rollup has no \`packetNo\`, and its id for \`packetId\`. \`supersedes\` and \`spentBy\` are there where there is one. \`admittedMs\`, \`cursor\`, \`spent\` and
\`spentBy\` are this host's word; the rest is what the signed token in the BEEF, or that manifest, says. ${IN_PART}

**Events.** No certificate names its events, only what they hash to. So an \`eventId\` is found where this host keeps the log that the
event is in, once it is sealed, and only in streams that anybody may read; elsewhere nothing is found, and that says nothing. The host's
word for it need not be taken: the packet's line and its path are in the proof of the event. \`sourceId\`, \`publisherKey\` and the two times are the
manifest's, so they find nothing where none came along.

**Forks.** Where certificates of one coordinator give one (streamId, partition, packetNo) to different packets, its log has been rewritten. Whoever
asks for one of them is answered with all, whatever else was asked, each with \`"forked": true\` in its context: the tokens
are the coordinator's own signatures, and the evidence.

**Next page**: the same query with the \`cursor\` of the last output, until a page is empty. A cursor is a position in the list, so it stays
good when certificates are added, spent or evicted, and for either order.
`
}
