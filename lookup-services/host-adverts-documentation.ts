import type { HostAdvertKind } from '../src/contract/host-advert.ts'
import {
  HOST_LOOKUP_LIMIT_DEFAULT,
  HOST_LOOKUP_LIMIT_MAX,
  HOST_LOOKUP_TOPICS_MAX,
} from './host-adverts-query.ts'
import { IN_PART, SKIP_MAX } from './query-members.ts'

/** What a host serves to people; docs/topics/ls_ship.md and ls_slap.md are these pages. */
export function hostAdvertsLookupDocumentation(kind: HostAdvertKind): string {
  const { service, topic, finds, member, example } = words[kind]
  return `# ${service}

Finds ${finds}, by the ${kind} adverts (BRC-88) that \`${topic}\` admitted.

## Asking

A query is an object of these members, all optional; what fits all of them is answered. An unknown member, or one of
another form, is refused with \`ERR_LOOKUP_INVALID_QUERY\` and its JSON Pointer.

| member | |
|---|---|
${member}
| \`domain\` | base URL of the host; upper case, a default port and a slash at the end make no difference |
| \`identityKey\` | of the host: 33 bytes in lower-case hex |
| \`sortOrder\` | by when an advert was admitted here: \`"desc"\` (latest first; so it is when left out) or \`"asc"\` |
| \`limit\` | 1 to ${HOST_LOOKUP_LIMIT_MAX}; ${HOST_LOOKUP_LIMIT_DEFAULT} when left out |
| \`skip\` | how many to leave out at the beginning, for the next page; at most ${SKIP_MAX.toLocaleString('en-US')} |

\`{}\`, \`{"findAll": true}\` and \`"findAll"\` ask for all of them; \`sortOrder\`, \`limit\` and \`skip\` may stand beside \`findAll\`,
the others may not.

\`\`\`json
${example}
\`\`\`

## The answer

An output list: each advert as its output, with its BEEF. Of several adverts with the same identity, domain and name the
one admitted last answers. Withdrawn adverts are left out, and so is what the operator of this host has banned.
${IN_PART}

Each was checked when it was admitted: it is signed by the identity it names, and locked to it. Whether the host is there, and who
it is, shows when you call it.
`
}

const words = {
  SHIP: {
    service: 'ls_ship',
    topic: 'tm_ship',
    finds: 'hosts that take transactions for a topic',
    member: `| \`topics\` | list of at most ${HOST_LOOKUP_TOPICS_MAX} topics; adverts for any of them fit |`,
    example: '{"topics": ["tm_gitdata_events_ingest"], "limit": 10}',
  },
  SLAP: {
    service: 'ls_slap',
    topic: 'tm_slap',
    finds: 'hosts that answer for a lookup service',
    member: '| `service` | the lookup service |',
    example: '{"service": "ls_gitdata_events"}',
  },
} as const
