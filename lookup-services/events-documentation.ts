import { EVENTS_LOOKUP_LIMIT_DEFAULT, EVENTS_LOOKUP_LIMIT_MAX } from './events-query.ts'

/** What a host serves to people; docs/topics/ls_gitdata_events.md is this page. */
export function eventsLookupDocumentation(): string {
  return `# ls_gitdata_events

Finds the batches of events that \`tm_gitdata_events_ingest\` admitted.

## Asking

A query is an object of these members, all optional; what fits all of them is answered. An unknown member, or one of
another form, is refused with \`ERR_LOOKUP_INVALID_QUERY\` and its JSON Pointer.

| member | |
|---|---|
| \`publisher\` | identity key of who signed the batch: 33 bytes in lower-case hex |
| \`streamId\`, \`sourceId\` | as the token says them |
| \`subject\` | SHA-256 of the batch, in lower-case hex |
| \`txid\` | the transaction, in lower-case hex |
| \`admittedFromMs\`, \`admittedToMs\` | admitted at or after the one and before the other, milliseconds since 1970 UTC by this host's clock |
| \`spent\` | \`true\`: its publisher has taken the satoshi back; \`false\`: not yet |
| \`order\` | \`"desc"\` (latest first; so it is when left out) or \`"asc"\` |
| \`limit\` | 1 to ${EVENTS_LOOKUP_LIMIT_MAX}; ${EVENTS_LOOKUP_LIMIT_DEFAULT} when left out |
| \`cursor\` | from the context of the last output of the page before |

\`{}\`, \`{"findAll": true}\` and \`"findAll"\` ask for all of them; \`order\`, \`limit\` and \`cursor\` may stand beside
\`findAll\`, filters may not.

\`\`\`json
{"publisher": "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "streamId": "greenhouse", "limit": 10}
\`\`\`

Anybody may name any stream in a batch of their own. Who wants the batches of somebody asks for \`publisher\` too.

## The answer

An output list: each output with its BEEF, and a context, which is UTF-8 JSON, so that a wallet need not read tokens:

\`\`\`json
{"admittedMs": 1790000000000, "cursor": "…", "publisher": "02…", "streamId": "greenhouse", "sourceId": "sensor-1", "subject": "…", "count": 2, "carried": "inline", "spent": false}
\`\`\`

\`carried\` is \`inline\`, \`off-chain\` or \`url\`. \`admittedMs\`, \`cursor\` and \`spent\` are this host's word; the rest is what the
signed token in the BEEF says.

**Next page**: the same query with the \`cursor\` of the last output, until a page is empty. A
cursor is a position in the list, so it stays good when batches are added or evicted, and for either order.

**Following**: a batch that is being admitted while you ask may come to stand before one that you have seen. Whoever
polls in ascending order begins a minute before the last batch seen, and leaves out what is known.
`
}
