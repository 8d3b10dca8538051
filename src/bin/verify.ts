import { parseArgs } from 'node:util'
import { invalid } from '../contract/evidence.ts'
import { explainProof } from '../contract/explain-proof.ts'
import { isPacketProof, readPacketProof, readProof } from '../contract/proof.ts'
import { replayProof } from '../contract/replay.ts'
import {
  type ProofLevel,
  proofLevels,
  type Trust,
  verifyPacketProof,
  verifyProof,
} from '../contract/verify.ts'
import { verifyAll } from './verify/all.ts'
import { askAbout, fetchMaterial, fetchProof, type NodeWord } from './verify/ask-node.ts'
import { asJson, exitCode, type Findings, inWords } from './verify/findings.ts'
import { isKey, notKey, orWhy, readText, readTrust } from './verify/read-trust.ts'
import { visible } from './verify/visible.ts'

const usage = `assay verify <file.assay.json | - | event id> [--log KEY]… [--operators FILE] [--headers FILE]
             [--node URL] [--replay] [--explain] [--require ${proofLevels.join('|')}] [--allow-local] [--json]
assay verify --all <export | --node URL [--stream STREAM]> [--state FILE] [--progress] [lists, level and --json as above]

  -            the proof is read from standard input
  --log        identity key of a log you trust; may be given more than once
  --operators  a file with the identity keys of the operators you trust, one a line
  --headers    a file of block headers you trust: {"network", "firstHeight", "headers": hex}
  --node       a node to get the proof of an event id from, and to ask whether its certificate still stands
  --replay     do the work on the packet again, from what the node has of it, and compare
  --explain    what each part of the policies did to the event, from the same
  --require    the level to reach (default: signed)
  --allow-local  take the blocks of a private chain for what they are to whoever runs it
  --all        look at a whole log: in a file that \`assay export\` has written, or as a node gives it to anybody
  --stream     this stream of the node alone
  --state      keeps how far it is in this file, and goes on from there
  --progress   says on standard error how far it is, also where that is no terminal`

/**
 * Exit codes: 0 level reached, 1 invalid, 2 unreadable or wrong usage, 3 valid but below the level, or not all that was asked for
 * could be checked, 4 a certificate that does not stand any more.
 */
export async function verify(args: readonly string[]): Promise<number> {
  const asked = readArguments(args)
  if (typeof asked === 'string') return complain(asked, '', ...usage.split('\n'))
  const trust = await readTrust(asked)
  if (typeof trust === 'string') return complain(trust)
  if (asked.all !== undefined) return verifyAll(asked.all, trust, complain)
  const given = await readGiven(asked)
  if (given.kind === 'none') {
    complain(given.why)
    return given.code
  }
  const findings = await findOut(given.proof, trust, asked)
  const lines = asked.json
    ? JSON.stringify(asJson(findings, asked.required), undefined, 2).split('\n')
    : inWords(findings)
  console.log(lines.map(visible).join('\n'))
  return exitCode(findings, asked.required)
}

/** Offline, and then what a node adds to it: nothing is asked about a proof that does not hold. */
async function findOut(
  proof: string,
  trust: Trust,
  { node, replay, explain, eventId }: Asked,
): Promise<Findings> {
  const ofPacket = isPacketProof(proof)
  const verdict = ofPacket ? verifyPacketProof(proof, trust) : verifyProof(proof, trust)
  const read = ofPacket ? readPacketProof(proof) : readProof(proof)
  if (verdict.kind !== 'valid' || !read.ok || node === undefined) return { verdict, undone: [] }
  if (eventId !== undefined && !('event' in verdict && verdict.event.eventId === eventId)) {
    const { fault } = invalid(
      `${node} was asked about event ${eventId}, and gave the proof of something else`,
      '/event',
    )
    return { verdict: { kind: 'invalid', fault }, undone: [] }
  }

  const { versionId, certificateTxid: txid } = verdict
  const { packetId } = 'event' in verdict ? verdict.event : verdict.packet
  const word = await askAbout(node, { packetId, versionId, txid })
  const told =
    word.kind === 'refused' ? { undone: [word.detail] } : { node: word.value, undone: openIn(word.value) }
  if (!replay && !explain) return { verdict, ...told }

  const { count, policyDigest } = read.value.packet.header
  const { stateIn } = read.value.manifest.provenance.assay
  const material = await fetchMaterial(node, { packetId, count, policyDigest, stateIn })
  if (material.kind === 'refused')
    return {
      verdict,
      ...told,
      undone: [...told.undone, `the work on the packet could not be done again: ${material.detail}`],
    }
  const undone = [...told.undone]
  const replayed = replay ? replayProof(proof, material.value) : undefined
  if (replayed?.kind === 'impossible')
    undone.push(`the packet could not be replayed: ${replayed.fault.detail}`)
  if (explain && ofPacket)
    undone.push('nothing was explained, as this is the proof of a whole packet: name an event of it')
  const explained = explain && !ofPacket ? explainProof(proof, material.value) : undefined
  if (explained?.ok === false) undone.push(`the event could not be explained: ${explained.fault.detail}`)
  return {
    ...{ verdict, ...told, undone },
    ...(replayed !== undefined && { replay: replayed }),
    ...(explained?.ok && { explained: explained.value }),
  }
}

function openIn({ node, certificate }: NodeWord): string[] {
  if (certificate === 'unseen')
    return [`${node} has not heard from the network that the certificate is there`]
  return certificate === 'unknown' ? [`${node} could not say whether the certificate stands`] : []
}

function complain(why: string, ...more: string[]): number {
  console.error([`assay verify: ${why}`, ...more].map(visible).join('\n'))
  return 2
}

type Asked = Exclude<ReturnType<typeof readArguments>, string>

/** What was asked for, or what is wrong with the question. */
function readArguments(args: readonly string[]) {
  const parsed = parse(args)
  if (typeof parsed === 'string') return parsed
  const { values, positionals } = parsed
  const [file, ...others] = positionals
  if (values.node !== undefined && !isHttp(values.node))
    return `--node: "${values.node.slice(0, 80)}" is not the http or https address of a node`
  if (values.replay && values.node === undefined) return '--replay needs --node, which has what to replay'
  if (values.explain && values.node === undefined)
    return '--explain needs --node, which has the policies to explain by'
  const required = proofLevels.find(level => level === values.require)
  if (required === undefined) return `--require ${values.require} is not a level`
  const odd = values.log?.find(key => !isKey(key))
  if (odd !== undefined) return `--log: ${notKey(odd)}`
  if (values.all) return readAllArguments(values, positionals, required)
  if (file === undefined || others.length > 0) return 'name one proof file, - or an event id'
  if (values.state !== undefined || values.stream !== undefined || values.progress)
    return '--state, --stream and --progress are about --all'
  const eventId = values.node !== undefined && /^[0-9a-f]{64}$/.test(file) ? file : undefined
  return { ...values, file, eventId, required, all: undefined }
}

type Values = Exclude<ReturnType<typeof parse>, string>['values']

function readAllArguments(values: Values, [file, ...others]: readonly string[], required: ProofLevel) {
  const { node, stream = null, state, progress, json, replay, explain } = values
  if (replay || explain) return '--replay and --explain are about one proof, and --all about a whole log'
  if (others.length > 0 || (file === undefined) === (node === undefined))
    return '--all takes either an export or --node, and one of them'
  if (stream !== null && node === undefined)
    return '--stream asks a node for one stream; an export of one is made with assay export --stream'
  const from = node === undefined ? { file: file ?? '' } : { node, streamId: stream }
  const all = { from, required, stateFile: state, progress, json }
  return { ...values, file: '', eventId: undefined, required, all }
}

function isHttp(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        log: { type: 'string', multiple: true },
        operators: { type: 'string' },
        headers: { type: 'string' },
        node: { type: 'string' },
        replay: { type: 'boolean', default: false },
        explain: { type: 'boolean', default: false },
        require: { type: 'string', default: 'signed' },
        'allow-local': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        all: { type: 'boolean', default: false },
        stream: { type: 'string' },
        state: { type: 'string' },
        progress: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    if (error instanceof TypeError && 'code' in error) return error.message
    throw error
  }
}

type Given =
  | { readonly kind: 'proof'; readonly proof: string }
  | { readonly kind: 'none'; readonly why: string; readonly code: 2 | 4 }

async function readGiven({ file, eventId, node }: Asked): Promise<Given> {
  if (eventId !== undefined && node !== undefined) {
    const answer = await fetchProof(node, eventId)
    if (answer.kind === 'answered') return { kind: 'proof', proof: answer.value }
    return { kind: 'none', why: answer.detail, code: answer.code === 'certificate-revoked' ? 4 : 2 }
  }
  const proof = await orWhy(() => readText(file))
  return typeof proof === 'string' ? { kind: 'proof', proof } : { kind: 'none', why: proof.why, code: 2 }
}
