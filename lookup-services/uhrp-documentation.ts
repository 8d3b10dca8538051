import { IN_PART, SKIP_MAX } from './query-members.ts'
import { UHRP_LOOKUP_LIMIT_DEFAULT, UHRP_LOOKUP_LIMIT_MAX } from './uhrp-query.ts'

/** What a host serves to people; docs/topics/ls_uhrp.md is this page. */
export function uhrpLookupDocumentation(): string {
  return `# ls_uhrp

Finds hosts that keep the content with a hash, by the adverts (BRC-26) that \`tm_uhrp\` admitted.

## Asking

A query is an object of these members, all optional; what fits all of them is answered. An unknown member, or one of
another form, is refused with \`ERR_LOOKUP_INVALID_QUERY\` and its JSON Pointer.

| member | |
|---|---|
| \`uhrpUrl\` | of the content: bare (\`XUT…\`), or with \`uhrp:\` or \`uhrp://\` before it |
| \`outpoint\` | \`<txid>.<output>\` of an advert |
| \`hostIdentityKey\` | of who keeps it: 33 bytes in lower-case hex |
| \`expiryTime\` | kept until then or longer: seconds since 1970 UTC |
| \`limit\` | 1 to ${UHRP_LOOKUP_LIMIT_MAX}; ${UHRP_LOOKUP_LIMIT_DEFAULT} when left out |
| \`skip\` | how many to leave out at the beginning, for the next page; at most ${SKIP_MAX.toLocaleString('en-US')} |

\`{}\`, \`{"findAll": true}\` and \`"findAll"\` ask for all of them; \`limit\` and \`skip\` may stand beside \`findAll\`, the others may not.

\`\`\`json
{"uhrpUrl": "XUTZndKLA1D3KARgtfuw9HtDbU1EvoX77Dm9GkazU5dnFLCxeHHT"}
\`\`\`

## The answer

An output list: each advert as its output, with its BEEF; who keeps the content longest comes first. Of several adverts
of one host for one URL and hash, the one that expires last answers. What has expired or is withdrawn is left out, and so is
what the operator of this host has banned.
${IN_PART}
`
}
