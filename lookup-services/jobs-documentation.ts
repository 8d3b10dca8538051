import { JOBS_LOOKUP_LIMIT_DEFAULT, JOBS_LOOKUP_LIMIT_MAX } from './jobs-query.ts'
import { IN_PART } from './query-members.ts'

/** What a host serves to people; docs/topics/ls_gitdata_jobs.md is this page. */
export function jobsLookupDocumentation(): string {
  return `# ls_gitdata_jobs

Finds what the topics of the stages admitted (\`tm_gitdata_events_normalize\`, \`…_validate\`, \`…_certify\`): the seats of jobs, with the
agents and operators that were asked, their threads, and the results. Spent ones are found too, so it has all that a
certificate rests on, also who dissented, who failed, and who was asked and did not answer.

## Asking

A query is an object of these members, all optional; what fits all of them is answered. An unknown member, or one of
another form, is refused with \`ERR_LOOKUP_INVALID_QUERY\` and its JSON Pointer.

| member | |
|---|---|
| \`kind\` | \`"seat"\`, \`"thread"\` or \`"result"\` |
| \`roundId\` | the round (or aggregate) they are of: 32 bytes in lower-case hex |
| \`jobTxid\` | the transaction of a job: its seats, its thread and its results |
| \`jobOutpoint\` | \`"<txid>.<output>"\` of a seat: the results for it. Two of them are an agent that answered twice |
| \`txid\` | the transaction they are outputs of |
| \`agentKey\`, \`operator\`, \`coordinator\` | identity keys: 33 bytes in lower-case hex. A result counts for the operator of its seat |
| \`template\`, \`stage\` | lower-case words, such as \`"packet"\` and \`"normalize"\` |
| \`level\` | \`"basic"\`, \`"enhanced"\` or \`"critical"\` |
| \`status\` | of results: \`"completed"\`, \`"failed"\` or \`"rejected"\` |
| \`spent\` | \`false\`: seats that nobody has answered, threads and results that wait for the next step |
| \`admittedFromMs\`, \`admittedToMs\` | when it was admitted here: at or after, and before |
| \`deadlineFromMs\`, \`deadlineToMs\` | when the job is due: at or after, and before |
| \`order\` | by when it was admitted here: \`"desc"\` (latest first; so it is when left out) or \`"asc"\` |
| \`limit\` | 1 to ${JOBS_LOOKUP_LIMIT_MAX}; ${JOBS_LOOKUP_LIMIT_DEFAULT} when left out |
| \`cursor\` | from the context of the last output of the page before |

\`{}\`, \`{"findAll": true}\` and \`"findAll"\` ask for all of them; \`order\`, \`limit\` and \`cursor\` may stand beside \`findAll\`, the
others may not.

\`\`\`json
{"kind": "seat", "operator": "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "spent": false, "deadlineFromMs": 1790000000000}
\`\`\`

## The answer

An output list: each output with its BEEF, and a context, which is UTF-8 JSON, so that a wallet need not read tokens:

\`\`\`json
{"admittedMs": 1790000000000, "cursor": "…", "kind": "result", "roundId": "…", "coordinator": "02…", "template": "packet", "stage": "normalize", "level": "enhanced", "members": [0, 1], "inputHash": "…", "deadlineMs": 1790000060000, "agentKey": "03…", "operator": "02…", "jobOutpoint": "<txid>.0", "status": "completed", "leaves": ["…", "…"], "workHash": "…", "evidenceHash": "…", "spentBy": "<txid>", "spent": true}
\`\`\`

A thread has no \`agentKey\` and no \`operator\`; \`jobOutpoint\`, \`status\`, \`leaves\` (one per member, zeros where there is no answer for it),
\`workHash\` and \`evidenceHash\` are there for results alone, and \`spentBy\` where it is spent. \`admittedMs\`, \`cursor\`, \`spent\` and \`spentBy\` are this
host's word; the rest is what the signed tokens in the BEEF say. ${IN_PART}

**Next page**: the same query with the \`cursor\` of the last output, until a page is empty. A cursor is a position in the list, so it stays
good when tokens are added, spent or evicted, and for either order.
`
}
