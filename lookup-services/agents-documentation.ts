import { AGENTS_LOOKUP_LIMIT_DEFAULT, AGENTS_LOOKUP_LIMIT_MAX } from './agents-query.ts'
import { IN_PART } from './query-members.ts'

/** What a host serves to people; docs/topics/ls_gitdata_agents.md is this page. */
export function agentsLookupDocumentation(): string {
  return `# ls_gitdata_agents

Finds agents by the adverts that \`tm_gitdata_agents\` admitted.

## Asking

A query is an object of these members, all optional; what fits all of them is answered. An unknown member, or one of
another form, is refused with \`ERR_LOOKUP_INVALID_QUERY\` and its JSON Pointer.

| member | |
|---|---|
| \`capability\`, or \`stage\` | a stage that it works at, such as \`"normalize"\` |
| \`operator\` | identity key of who answers for it: 33 bytes in lower-case hex |
| \`agentKey\` | its own |
| \`region\` | as the token says it |
| \`maxPrice\` | asks at most so many satoshis per thousand events |
| \`packets\`, \`bytes\` | takes rounds of so many packets, and so many bytes |
| \`expired\` | \`true\`: also those whose advert has expired, by this host's clock |
| \`history\` | \`true\`: every advert ever admitted, also expired, withdrawn and superseded ones |
| \`order\` | by when an advert was admitted here: \`"desc"\` (latest first; so it is when left out) or \`"asc"\` |
| \`limit\` | 1 to ${AGENTS_LOOKUP_LIMIT_MAX}; ${AGENTS_LOOKUP_LIMIT_DEFAULT} when left out |
| \`cursor\` | from the context of the last output of the page before |

\`{}\`, \`{"findAll": true}\` and \`"findAll"\` ask for all of them; \`expired\`, \`history\`, \`order\`, \`limit\` and \`cursor\` may stand beside
\`findAll\`, the others may not.

\`\`\`json
{"capability": "normalize", "region": "eu-west", "maxPrice": 100, "limit": 10}
\`\`\`

Without \`history\`, an agent answers with one advert: of those that it has not withdrawn, the one that expires last; of those, the one admitted
last. It alone is held against the query, so what an older one promises besides is not found.

## The answer

An output list: each output with its BEEF, and a context, which is UTF-8 JSON, so that a wallet need not read tokens:

\`\`\`json
{"admittedMs": 1790000000000, "cursor": "…", "agentKey": "02…", "operator": "03…", "operatorFromMs": 1780000000000, "operatorToMs": 1890000000000, "capabilities": ["normalize"], "endpoints": ["https://agent.example"], "packetsMax": 64, "bytesMax": 16777216, "satoshisPerThousandEvents": 10, "region": "eu-west", "expiresMs": 1800000000000, "spent": false}
\`\`\`

\`admittedMs\`, \`cursor\` and \`spent\` (withdrawn) are this host's word; the rest is what the signed token in the BEEF says. \`region\` is
there where the token has one. ${IN_PART}

**Next page**: the same query with the \`cursor\` of the last output, until a page is empty. A cursor is a position in the list, so it stays
good when adverts are added, withdrawn or evicted, and for either order.
`
}
