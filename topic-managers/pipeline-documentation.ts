import type { PipelineTopic, PipelineTopicOptions } from './pipeline-options.ts'

/** What a host serves to people; docs/topics/tm_gitdata_events_*.md are these pages as they are by default. */
export function pipelineDocumentation(
  topic: PipelineTopic,
  { templates, coordinators, operators }: PipelineTopicOptions,
  beefBytesMax: number,
): string {
  return `# tm_gitdata_events_${topic}

${topic === 'certified' ? aboutCertificates : aboutStage(topic)}

## What is judged

Every transaction of the pipeline in the BEEF, not the submitted one alone, and by nothing but the BEEF and what this host
is configured to take: no clock, and no table. Two hosts of one configuration admit the same outputs, in whichever order
transactions reach them.

* **A job** has as many seats as its level asks for (basic 1, enhanced 3, critical 3), of distinct operators, each with the operator's
  signature over its agent for the whole time until the deadline, and one thread behind them. All its tokens state the same. Except at basic, none
  of its operators is the coordinator. A job of the first stage spends fuel alone, names an input root of zeros,
  and says in every token the hash of its inputs.
* **A result** has one input, a seat; one output, locked to the coordinator; it is signed by the seat's agent, repeats what the job
  states, and has a leaf for each member.
* **A member is agreed** where results of as many distinct operators as the level wants (basic 1, enhanced 2, critical 3), of one job and
  \`completed\`, have the same leaf for it, which is not zeros.
* **A step** (a later job, or a certificate) spends the thread of exactly one job, of the stage before, any results of that job, and otherwise
  fuel. Its members are among those that the results it spends agree on, and its input root is over those leaves. So a job has
  one successor, and a packet one certificate per round.
* **A certificate** names the agreed leaf of each member as its version, in the anchor (\`DLM1\`) at output 2i and in the token at output 2i+1;
  no other output carries data.
* No output is spent twice in one BEEF. Transactions are of version 1 with final sequences; a token holds a satoshi or more.

The BEEF is in **history form**: every transaction with tokens in full, back to the round's first job, and block proofs on fuel only, also where
all of it is mined. Of a shorter one nothing is admitted, and nothing is remembered: submit the same transaction again with its
history. A BEEF has at most ${beefBytesMax.toLocaleString('en-US')} bytes. Fuel is any output of a transaction without tokens of the pipeline.

## What this host takes

* templates: ${templates === undefined ? '`packet` (normalize, validate, certify) and `aggregate` (certify alone)' : list(templates)}
* coordinators: ${coordinators === undefined ? 'everybody' : list(coordinators)}
* operators: ${operators === undefined ? 'everybody, so that readers hold a certificate against a list of their own' : list(operators)}

## What is kept

All of it: spent seats, threads, results and certificates stay on record, so that everybody can walk from a certificate back to who
was asked and what each answered. ${topic === 'certified' ? spentCertificates : submitToo}

## What is not said by being admitted

That what was agreed on is true, or that operators are independent: keys are free. Whoever relies on a certificate names the operators
that count for it, and \`assay verify\` holds the quorums against that list. Look ${topic === 'certified' ? 'certificates up with `ls_gitdata_certificates`' : 'jobs and results up with `ls_gitdata_jobs`'}.
`
}

const aboutCertificates = `Certificates of event packets: per packet an anchor, and a \`GDC1\` token that is signed by its coordinator and locked to it. The
manifests travel as off-chain values, one canonical JSON text per line; they are not judged, as each hashes to its version.`

const spentCertificates = `A certificate that is spent is revoked, or superseded by
the one that names it.`

const submitToo = `A step is submitted to its own topic and to that of the stage
before, which admits nothing of it and learns what it has spent.`

function aboutStage(stage: string): string {
  return `Work of the stage ${stage}: jobs, which a coordinator asks of agents (\`GDJ1\`, a token for each seat, and the thread), and results,
by which the agents answer (\`GDR1\`). All of them are admitted as coins.`
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'nobody' : names.map(name => `\`${name}\``).join(', ')
}
