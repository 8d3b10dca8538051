import { sameBytes } from '../core/bytes.ts'
import { anchorScript, isDataScript, readAnchor } from '../core/certificate/anchor.ts'
import type { JobFacts, Outpoint, PipelineTransaction, Role, Seat } from '../core/rounds/pipeline.ts'
import { ROUND_PACKETS_MAX } from '../core/rounds/round.ts'
import { fuelHashOf } from './fuel-hash.ts'
import { readPipelineToken } from './pipeline-tokens.ts'
import { SEATS_MAX } from './token-bodies.ts'
import { operatorWord, type Token, type TokenOf, type TokenTag, tagOf } from './tokens.ts'
import { isSettledForm, type Output, type Transaction } from './transaction.ts'

/**
 * What a transaction is to the pipeline: each token read and checked, and their order in it. What it may spend,
 * core/rounds/judging/judge.ts says.
 */
export function pipelineTransaction(transaction: Transaction): PipelineTransaction {
  const inputs = transaction.inputs.map(({ txid, vout }) => ({ txid, vout }))
  return { txid: transaction.txid, inputs, role: roleOf(transaction) }
}

/** Whether an output means to be one that the pipeline spends: seat, thread, result or certificate. */
export function isPipelineOutput(output: Output | undefined): boolean {
  return output !== undefined && pipelineTags.has(tagOf(output.script))
}

const pipelineTags: ReadonlySet<TokenTag | undefined> = new Set<TokenTag>(['GDJ1', 'GDR1', 'GDC1'])

function roleOf(transaction: Transaction): Role {
  const { outputs } = transaction
  const tags = outputs.map(({ script }) => tagOf(script))
  if (!tags.some(tag => pipelineTags.has(tag))) return { kind: 'plain' }
  // What costs nothing is asked before any token is read: each costs its sender a few bytes, and the reader two
  // signatures.
  const why = misplacedToken(tags)
  if (why !== undefined) return malformed(why)
  if (!isSettledForm(transaction))
    return malformed('a pipeline transaction has version 1 and final sequences, and this one has not')

  const tokens: (Token | undefined)[] = []
  for (const [vout, { script, satoshis }] of outputs.entries()) {
    const token = tags[vout] === undefined ? undefined : readPipelineToken(script)
    if (token?.ok === false) return malformed(`output ${vout}: ${token.fault.detail}`)
    if (token !== undefined && satoshis < 1)
      return malformed(`output ${vout}: a token holds at least one satoshi`)
    tokens.push(token?.value)
  }
  if (tags.includes('GDJ1')) return jobRole(tagged('GDJ1', tokens), transaction.inputs)
  if (tags.includes('GDR1')) return resultRole(tagged('GDR1', tokens))
  return certificateRole(tagged('GDC1', tokens), outputs)
}

/** What the tags alone show: a job's tokens come first, a result's stands alone, a certificate's behind its anchors. */
function misplacedToken(tags: readonly (TokenTag | undefined)[]): string | undefined {
  const places = [...tags.keys()].filter(vout => tags[vout] !== undefined)
  const kinds = new Set(tags.filter(tag => tag !== undefined))
  if (kinds.size > 1) return `it mixes tokens: ${[...kinds].join(' and ')}`
  if (kinds.has('GDJ1'))
    return places.length > SEATS_MAX + 1 || places.some((vout, i) => vout !== i) ? jobLayout : undefined
  if (kinds.has('GDR1')) return tags.length > 1 ? 'a result has its token and no other output' : undefined
  return places.length > ROUND_PACKETS_MAX || places.some((vout, i) => vout !== 2 * i + 1)
    ? `a certificate has its tokens at outputs 1, 3, 5 and so on, and at most ${ROUND_PACKETS_MAX}`
    : undefined
}

const jobLayout = `a job has at most ${SEATS_MAX} seats at the first outputs, then its thread, and no other token`

/** Seats first, then the thread, then change. */
function jobRole(tokens: Tagged<'GDJ1'>, inputs: readonly Outpoint[]): Role {
  const threadAt = tokens.findIndex(token => token !== undefined && operatorWord(token.body) === undefined)
  const seats = tokens.slice(0, Math.max(threadAt, 0)).flatMap(seatOf)
  const thread = tokens[threadAt]
  if (thread === undefined || tokens[threadAt + 1] !== undefined) return malformed(jobLayout)
  const facts = jobFacts(thread, thread.issuer)
  const stated = JSON.stringify(facts)
  if (tokens.some(token => token && JSON.stringify(jobFacts(token, token.issuer)) !== stated))
    return malformed('the tokens of a job state different facts')
  const fuelHash = fuelHashOf(facts, inputs)
  if (tokens.some(token => token && token.body.fuelHash !== fuelHash))
    return malformed(
      fuelHash === undefined
        ? 'a job that follows another names no fuel'
        : 'the tokens of a job that begins a round name the inputs of its transaction, and these name others',
    )
  return { kind: 'job', facts, seats }
}

function seatOf(token: TokenOf<'GDJ1'> | undefined): Seat[] {
  const { agentKey, operator } = token?.body ?? {}
  return agentKey === undefined || operator === undefined ? [] : [{ agentKey, operator }]
}

function resultRole(tokens: Tagged<'GDR1'>): Role {
  const [token] = tokens
  if (token === undefined) return malformed('a result has its token and no other output')
  const { coordinator, jobOutpoint, status, leaves } = token.body
  return {
    kind: 'result',
    facts: jobFacts(token, coordinator),
    jobOutpoint,
    agentKey: token.issuer,
    lockedTo: coordinator,
    status,
    leaves,
  }
}

/** Per member its anchor and its token, then change. */
function certificateRole(tokens: Tagged<'GDC1'>, outputs: readonly Output[]): Role {
  const certificates = tokens.flatMap(token => token ?? [])
  const [first] = certificates
  if (first === undefined) return malformed('a certificate has its tokens at outputs 1, 3, 5 and so on')
  const work = certificateWork(first)
  const stated = JSON.stringify(work)
  if (certificates.some(token => JSON.stringify(certificateWork(token)) !== stated))
    return malformed('the tokens of a certificate have different issuers, rounds, templates or levels')
  for (const [vout, { script }] of outputs.entries()) {
    const versionId = vout % 2 === 0 ? certificates[vout / 2]?.subject : undefined
    if (!anchorsExactly(script, versionId))
      return malformed(
        `output ${vout}: in a certificate the output before each token anchors its version, and no other carries data`,
      )
  }
  const members = certificates.map(({ body, subject }) => ({ index: body.index, versionId: subject }))
  return { kind: 'certificate', ...work, members }
}

function certificateWork({ issuer, body }: TokenOf<'GDC1'>) {
  return { coordinator: issuer, subject: body.roundId, template: body.template, level: body.level }
}

/** undefined: no data at all, in any spelling, so that no second and unjudged version rides along. */
function anchorsExactly(script: Uint8Array, versionId: string | undefined): boolean {
  if (versionId === undefined) return !isDataScript(script)
  const anchor = readAnchor(script)
  if (!anchor.ok) return false
  return anchor.value.manifestHash === versionId && sameBytes(anchorScript(anchor.value), script)
}

function jobFacts(
  token: { readonly subject: string; readonly body: Omit<JobFacts, 'coordinator' | 'subject'> },
  coordinator: string,
): JobFacts {
  const { template, stage, level, members, inputRoot, inputHash, deadlineMs, outputBytesMax } = token.body
  const { subject } = token
  return {
    coordinator,
    subject,
    template,
    stage,
    level,
    members,
    inputRoot,
    inputHash,
    deadlineMs,
    outputBytesMax,
  }
}

/** The token at each output, undefined where there is none. */
type Tagged<Tag extends TokenTag> = readonly (TokenOf<Tag> | undefined)[]

function tagged<Tag extends TokenTag>(tag: Tag, tokens: Tagged<TokenTag>): Tagged<Tag> {
  const isOfTag = (token: Token | undefined): token is Token & TokenOf<Tag> => token?.tag === tag
  return tokens.map(token => (isOfTag(token) ? token : undefined))
}

function malformed(why: string): Role {
  return { kind: 'malformed', why }
}
