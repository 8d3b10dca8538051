import type { AdvertBounds } from './advert-topic.ts'
import { boundsSentence, localSentence } from './shared-sentences.ts'

/** What a host serves to people; docs/topics/tm_gitdata_agents.md is this page with the default bounds. */
export function agentsDocumentation(bounds: AdvertBounds): string {
  return `# tm_gitdata_agents

Agents say here what they can do, who answers for them, where they are reached and what they ask. An advert is one output
of a transaction: a \`GDA1\` token, signed by the agent and locked to the agent.

## What is admitted

Every output of the submitted transaction that

* holds at least one satoshi,
* is a script \`21 <key> AC <tag> <issuer> <subject> <body> <signature> 6D 6D 75\` whose five pushes are in their
  shortest form,
* has the tag \`GDA1\`, an issuer that is the agent's compressed public key, and the subject of that agent: digest(\`assay:agent:1\`,
  agent key <33>),
* has a body that is deterministic CBOR, a map of

| | member | |
|---|---|---|
| 0 | capabilities | list of 1 to 16 stages, such as \`normalize\` |
| 1 | operator | identity key <33> of who answers for the agent |
| 2 | operatorSig | the operator's signature for this agent and these times |
| 3, 4 | operatorFromMs, operatorToMs | from when to when it answers; the advert expires within |
| 5 | endpoints | list of 1 to 8 URLs of \`https\` or \`wss\`, without user or password |
| 6, 7 | packetsMax, bytesMax | largest round it takes |
| 8 | satoshisPerThousandEvents | what it asks |
| 9 | region | optional; 1 to 64 characters |
| 10 | expiresMs | milliseconds since 1970 UTC |

* is signed by the agent over the four pushes before the signature: a BRC-42/43 key of protocol
  \`gitdata agent advert\`, security level 2, key id the subject in hex, counterparty \`anyone\`; strict DER, low S,
* is locked to the same key, so that its agent alone can withdraw it,

of a transaction of version 1 with final sequences (\`ffffffff\`). ${localSentence(bounds)}
${boundsSentence(bounds)}

Nothing else is asked: no clock, no table, no list of operators. What has expired is left out of answers, and not refused.
**To withdraw an advert, spend it** and submit the spend here. Spent adverts stay on record, as jobs were given out on them.

## Several adverts of one agent

Of those that an agent has not withdrawn one counts: the one that expires last; of those, the one admitted last. They are
never added up, so a newer advert with fewer capabilities takes some away. Whoever withdraws it and leaves an older one
unspent has that one count again: spend both.

## What is not said by being admitted

That the agent is there, or that its operator is who you think: keys are free. Trust a list of operators of your own.

## Making one

\`tokenScript('GDA1', agent, agentSubject(agent.identityKey), body)\` of \`assay/contract\` writes one, \`signOperatorWord\` the
operator's signature, and \`spendingKey\` derives the key that withdraws it. Look agents up with \`ls_gitdata_agents\`.
`
}
