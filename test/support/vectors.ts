import { sha256Hex } from '#sha256'
import { writeBeef } from '../../src/contract/beef.ts'
import { judgeBeef } from '../../src/contract/judge-beef.ts'
import { signDetached } from '../../src/contract/keys.ts'
import { dottedNameOf, lookupServiceOf, topicOf } from '../../src/contract/names.ts'
import { signOperatorWord } from '../../src/contract/operator.ts'
import { type RequestSignatureVersion, signRequest } from '../../src/contract/request-signature.ts'
import { agentSubject, readToken, tagOf, tokenScript } from '../../src/contract/tokens.ts'
import { type Trust, verifyProof } from '../../src/contract/verify.ts'
import { signUpload, workHash, writeWork } from '../../src/contract/work.ts'
import { knownHex, toHex, utf8 } from '../../src/core/bytes.ts'
import {
  canonicalize,
  canonicalJson,
  isObject,
  type Json,
  type JsonObject,
  parseJson,
} from '../../src/core/canonical-json.ts'
import { anchorScript } from '../../src/core/certificate/anchor.ts'
import { versionIdOf } from '../../src/core/certificate/manifest.ts'
import { type DigestTag, digestHex } from '../../src/core/digest.ts'
import {
  type Arrival,
  identify,
  type KnownPayloads,
  type ObservedEvent,
} from '../../src/core/event/identity.ts'
import { blindOf, eventLine } from '../../src/core/event/line.ts'
import { type Outcome, orThrow } from '../../src/core/fault.ts'
import { packetId } from '../../src/core/log/packet-header.ts'
import { inclusionPath, leafHash, merkleRoot } from '../../src/core/merkle.ts'
import { policyDigest } from '../../src/core/policy/policy-set.ts'
import { readPolicySet } from '../../src/core/policy/read-policy-set.ts'
import { rootOver, roundId } from '../../src/core/rounds/round.ts'
import { ruleId } from '../../src/core/rules/check-event.ts'
import { readRules } from '../../src/core/rules/read-rules.ts'
import { outcomeLeaf } from '../../src/core/work/stage-output.ts'
import { oneRuleOfEachKind } from '../core/rules/examples.ts'
import {
  certifiedRound,
  fusedEvents,
  fusedPolicy,
  party,
  sampleConstants,
  sampleEvent,
  samplePolicy,
} from './certified-round.ts'
import { PrivateChain } from './private-chain.ts'

/** Every golden vector by its file name: what `npm run vectors` writes and a test compares with the files. */
export function goldenVectors(): Record<string, string> {
  const round = certifiedRound()
  const fused = certifiedRound({ policy: fusedPolicy, events: fusedEvents })
  return {
    'canonical-json.json': file(
      'A JSON text and its canonical form, or the fault it is refused with.',
      canonicalCases(),
    ),
    'digest.json': file('Tagged digests: tag, fields as hex, SHA-256 of the whole.', digestCases()),
    'merkle.json': file(
      'RFC 6962 trees: leaves before hashing as hex, the root, a path per leaf.',
      merkleCases(),
    ),
    'event-identity.json': file(
      'What was observed, what was known of its nativeId, and the identity it gets.',
      identityCases(),
    ),
    'event-line.json': file(
      'An envelope, what its stream declares constant, its line, and the leaf.',
      lineCases(),
    ),
    'policy.json': file('A policy as written, its canonical form, and the policyDigest.', policyCases()),
    'rules.json': file(
      'A rule of each kind as written, and its canonical form: what the policyDigest and the state know it by.',
      ruleCases(),
    ),
    'packet.json': file(
      'Packets of one partition: lines, header, packetId, and what each stage makes of them.',
      [...packetCases(round), ...packetCases(fused)],
    ),
    'round.json': file(
      'The round over those packets: its id, its document, the roots between its stages.',
      roundCases(round),
    ),
    'tokens.json': file('Each token of that round: the locking script and what it says.', [
      ...tokenCases(round),
      ...otherTokenCases(),
    ]),
    'work.json': file(
      'Output bytes of one member, the work hash, and the signed leave to upload them.',
      workCases(),
    ),
    'manifest.json': file(
      'Manifests, their versionIds, and the scripts that anchor them.',
      manifestCases(round),
    ),
    'names.json': file(
      'Dotted names and the overlay names they stand for; null where there is none.',
      nameCases(),
    ),
    'signatures.json': file(
      'Keys, detached signatures with counterparty anyone, and signed requests.',
      signatureCases(),
    ),
    'transactions.json': file(
      'Every transaction of the round, in the order of its BEEF, and the BEEF.',
      transactionCases(round),
    ),
    'proof.assay.json': canonicalJson(round.proof(1, 1)),
    'proof-unmined.assay.json': canonicalJson(round.proof(0, 0, false)),
    'proof-quarantined.assay.json': canonicalJson(round.proof(0, 3)),
    'headers.json': `${round.chain.headersFile()}\n`,
    'operators.txt': round.operators.map(operator => `${operator.identityKey}\n`).join(''),
    'judging.json': file(
      'BEEFs as a host gets them: the topic and the outputs it admits, or the fault. The host admits template packet from anybody.',
      judgingCases(round),
    ),
    'refused-proofs.json': file(
      'One change to proof.assay.json each: what stands at `pointer` is replaced by `value`.',
      refusedProofCases(round),
    ),
    'verdicts.json': file(
      'What a verifier says about the proofs here, by what its reader gives it.',
      verdictCases(round),
    ),
  }
}

function file(about: string, cases: Json): string {
  return `${JSON.stringify({ about, cases }, undefined, 1)}\n`
}

type Round = ReturnType<typeof certifiedRound>

function outcome<T>(result: Outcome<T>, show: (value: T) => Json): JsonObject {
  return result.ok ? { result: show(result.value) } : { fault: faultOf(result.fault) }
}

function faultOf({ code, pointer }: { readonly code: string; readonly pointer?: string }): JsonObject {
  return pointer === undefined ? { code } : { code, pointer }
}

function canonicalCases(): Json {
  const texts = [
    '{"b":1,"a":[true,null,"\\u20ac"]}',
    '{"10":1,"9":2,"1":3}',
    '{"\\ufb33":1,"\\ud83d\\ude00":2}',
    '[-0,1E-7,333333333.33333329,4.50,0.000001]',
    '[9007199254740991]',
    '[9007199254740992]',
    '{"big":1e400}',
    '"\\ud800"',
    '{"a":{"__proto__":1}}',
    '{"a":1,"a":2}',
    '"\\u0001\\n\\"\\\\\\u007f"',
    '[[[]]',
  ]
  return texts.map(text => {
    const parsed = parseJson(text)
    return { text, ...outcome(parsed.ok ? canonicalize(parsed.value) : parsed, canonical => canonical) }
  })
}

function digestCases(): Json {
  const cases: [DigestTag, string[]][] = [
    ['assay:packet:1', []],
    ['assay:packet:1', ['']],
    ['assay:event:1', [toHex(utf8('source')), toHex(utf8('stream')), '0000019d1b2e1c00', toHex(utf8('{}'))]],
    ['assay:round:1', ['00000001', '00000002', 'ab'.repeat(32)]],
  ]
  return cases.map(([tag, fields]) => ({ tag, fields, digest: digestHex(tag, ...fields.map(knownHex)) }))
}

function merkleCases(): Json {
  return [0, 1, 2, 3, 5, 8].map(count => {
    const leaves = Array.from({ length: count }, (_, i) => utf8(`leaf ${i}`))
    const hashes = Uint8Array.from(leaves.flatMap(leaf => [...leafHash(leaf)]))
    return {
      leaves: leaves.map(toHex),
      root: toHex(merkleRoot(hashes)),
      paths: leaves.map((_, i) => inclusionPath(hashes, i).map(toHex)),
    }
  })
}

function identityCases(): Json {
  const arrival: Arrival = { ingestTimeMs: 1_780_000_000_500, key: 'request-1', index: 0 }
  const at = 1_780_000_000_000
  const base = { sourceId: 'farm-001', streamId: 'sensors.temperature' }
  const open = canonicalJson({ state: 'open' })
  const closed = canonicalJson({ state: 'closed' })
  const native = (payloadJcs: string, eventTimeMs?: number): ObservedEvent => ({
    ...base,
    payloadJcs,
    nativeId: 'door-7',
    ...(eventTimeMs === undefined ? {} : { eventTimeMs }),
  })

  const cases: JsonObject[] = []
  let known: KnownPayloads | undefined
  const follow = (observation: ObservedEvent) => {
    const identity = identify(observation, arrival, known)
    cases.push({ observation, known: known ?? null, identity } as unknown as JsonObject)
    if (identity.kind === 'event') known = identity.known
  }
  for (const observation of [
    native(open, at),
    native(open),
    native(closed, at + 1),
    native(open, at + 2),
    native(closed, at),
  ])
    follow(observation)

  known = undefined
  follow({ ...base, payloadJcs: open, sourceSeq: '18446744073709551615', eventTimeMs: at })
  follow({ ...base, payloadJcs: open, eventTimeMs: at })
  follow({ ...base, payloadJcs: open })
  return [{ arrival } as unknown as JsonObject, ...cases]
}

function lineCases(): Json {
  const restricted = { ...sampleEvent(1), blind: blindOf(utf8('stream key'), sampleEvent(1).eventId) }
  return [
    { envelope: sampleEvent(0), constants: {} },
    { envelope: sampleEvent(0), constants: sampleConstants },
    { envelope: restricted, constants: sampleConstants, streamKey: toHex(utf8('stream key')) },
  ].map(entry => {
    const line = orThrow(eventLine(entry.envelope, entry.constants))
    return { ...entry, line, leaf: toHex(leafHash(utf8(line))) }
  })
}

function policyCases(): Json {
  const spelled: Json[] = [
    samplePolicy,
    fusedPolicy,
    { v: 1, sources: { '*': { required: ['id', 'ts'], coerce: { ts: 'iso8601->epoch' } } } },
    { v: 1, sources: { '*': { coercion: { '/ts': 'iso8601->epoch' }, required: ['/ts', '/id'] } } },
    {
      v: 1,
      sources: { '*': {} },
      fusion: { strategy: 'quorum', min: 2, priority: ['sourceA', 'sourceB'] },
    },
  ]
  return spelled.map(written => {
    const set = orThrow(readPolicySet(written))
    return { written, canonical: set as unknown as Json, digest: policyDigest(set) }
  })
}

function ruleCases(): Json {
  return oneRuleOfEachKind.map(written => {
    const [rule] = orThrow(readRules([written]))
    if (rule === undefined) throw new Error('one rule was written')
    return { written, canonical: rule as unknown as Json, id: ruleId(rule) }
  })
}

function packetCases({ packets, policySet, log, operators }: Round): JsonObject[] {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
  return packets.map(packet => ({
    policy: policySet as unknown as Json,
    log: log.identityKey,
    operators: operators.map(operator => operator.identityKey),
    lines: text(packet.bytes),
    header: packet.header,
    packetId: packetId(packet.header),
    normalized: {
      lines: text(packet.normalized.bytes),
      leaf: outcomeLeaf(packet.packetId, packet.normalized.outputHash, packet.normalized.stateOut),
    },
    validated: {
      lines: text(packet.validated.bytes),
      state: text(packet.validated.stateBytes),
      stateOut: packet.validated.stateOut,
      leaf: outcomeLeaf(packet.packetId, packet.validated.outputHash, packet.validated.stateOut),
    },
    certified: { manifest: packet.certified.manifestJson, leaf: packet.certified.versionId },
  }))
}

function roundCases({ packets, roundDocument }: Round): Json {
  const packetIds = packets.map(packet => packet.packetId)
  const root = (leaves: readonly string[]) => rootOver(leaves)
  return [
    {
      packetIds,
      roundIds: { try1: roundId(1, packetIds), try2: roundId(2, packetIds) },
      roundDocument,
      inputHash: sha256Hex(roundDocument),
      inputRoots: {
        validate: root(
          packets.map(p => outcomeLeaf(p.packetId, p.normalized.outputHash, p.normalized.stateOut)),
        ),
        certify: root(
          packets.map(p => outcomeLeaf(p.packetId, p.validated.outputHash, p.validated.stateOut)),
        ),
      },
    },
  ]
}

function tokenCases({ transactions }: Round): JsonObject[] {
  return transactions.flatMap(({ txid, outputs }) =>
    outputs.flatMap(({ script }, vout) => {
      if (tagOf(script) === undefined) return []
      return [{ txid, vout, script: toHex(script), ...readableToken(script) }]
    }),
  )
}

/** The two tokens that no round has. */
function otherTokenCases(): JsonObject[] {
  const publisher = party('publisher')
  const agent = party('agent normalize 0')
  const operator = party('operator north')
  const bytes = utf8('{"value":1}\n{"value":2}\n')
  const [fromMs, toMs] = [1_780_000_000_000, 1_790_000_000_000]
  const scripts = [
    tokenScript('GDE1', publisher, sha256Hex(bytes), {
      streamId: 'sensors.temperature',
      sourceId: 'farm-001',
      count: 2,
      bytes,
    }),
    tokenScript('GDA1', agent, agentSubject(agent.identityKey), {
      capabilities: ['normalize', 'validate'],
      operator: operator.identityKey,
      operatorSig: signOperatorWord(operator.privateKey, agent.identityKey, fromMs, toMs),
      operatorFromMs: fromMs,
      operatorToMs: toMs,
      endpoints: ['https://agent.example'],
      packetsMax: 64,
      bytesMax: 33_554_432,
      satoshisPerThousandEvents: 1,
      region: 'eu',
      expiresMs: toMs,
    }),
  ]
  return scripts.map(script => ({ script: toHex(script), ...readableToken(script) }))
}

function readableToken(script: Uint8Array): JsonObject {
  const { tag, issuer, subject, body } = orThrow(readToken(script))
  return { tag, issuer, subject, body: readable(body) }
}

function judgingCases(round: Round): Json {
  const lie = (leaves: readonly string[]) => leaves.map(leaf => leaf.replace(/^../, 'ff'))
  const [, firstJob, firstResult] = round.transactions
  const about: [string, Uint8Array][] = [
    ...round.transactions
      .slice(1)
      .map((transaction, i): [string, Uint8Array] => [
        `transaction ${i + 1} of the round`,
        beefOf(round, transaction.txid),
      ]),
    ['basic', certifiedRound({ level: 'basic' }).beef],
    ['critical', certifiedRound({ level: 'critical' }).beef],
    [
      'a liar outvoted',
      certifiedRound({ answer: (_, seat, truth) => (seat === 1 ? lie(truth) : truth) }).beef,
    ],
    [
      'a seat unanswered',
      certifiedRound({ answer: (_, seat, truth) => (seat === 2 ? undefined : truth) }).beef,
    ],
    [
      'one answer of three',
      certifiedRound({ answer: (_, seat, truth) => (seat === 0 ? truth : undefined) }).beef,
    ],
    [
      'two that said failed',
      certifiedRound({ status: (_, seat) => (seat === 0 ? 'completed' : 'failed') }).beef,
    ],
    [
      'critical with dissent',
      certifiedRound({ level: 'critical', answer: (_, seat, truth) => (seat === 1 ? lie(truth) : truth) })
        .beef,
    ],
    ['a result whose job is not a token any more', cutAfter(round, firstJob?.txid, firstResult?.txid)],
  ]
  return about.map(([what, beef]) => ({
    about: what,
    beef: toHex(beef),
    ...outcome(judgeBeef(beef, { templates: ['packet'] }), ({ topic, outputs }) => ({
      topic: topic ?? null,
      outputs: [...outputs],
    })),
  }))
}

/** The transaction with all that it descends from. */
function beefOf({ transactions }: Round, txid: string): Uint8Array {
  const needed = new Set([txid])
  for (const transaction of transactions.toReversed())
    if (needed.has(transaction.txid)) for (const input of transaction.inputs) needed.add(input.txid)
  return writeBeef(transactions.filter(transaction => needed.has(transaction.txid)))
}

/** A result whose job comes with a block proof in place of its ancestors. */
function cutAfter(
  { transactions }: Round,
  jobTxid: string | undefined,
  resultTxid: string | undefined,
): Uint8Array {
  const job = transactions.find(({ txid }) => txid === jobTxid)
  const result = transactions.find(({ txid }) => txid === resultTxid)
  if (job === undefined || result === undefined) throw new Error('a round has a job and a result')
  const [, proof] = new PrivateChain().mine([result, job])
  if (proof === undefined) throw new Error('what was mined has a path')
  return writeBeef([{ ...job, proof }, result])
}

function refusedProofCases(round: Round): Json {
  const proof = round.proof(1, 1)
  const other = certifiedRound({ events: [[sampleEvent(20), sampleEvent(21)], [sampleEvent(22)]] })
  const changes: [string, Json][] = [
    ['/event/line', round.proof(1, 0).event.line],
    ['/event/index', 0],
    ['/event/path', [...proof.event.path, '00'.repeat(32)]],
    ['/certified', { ...round.proof(1, 0).certified }],
    ['/packet', { ...round.proof(0, 0).packet }],
    ['/packet/header/watermarkMs', 0],
    ['/manifest', { ...round.proof(0, 0).manifest }],
    ['/round/try', 2],
    ['/beef', toHex(other.beef)],
    ['/beef', toHex(beefOf(round, round.transactions.at(-2)?.txid ?? ''))],
    ['/block', other.proof(0, 0).block ?? ''],
    ['/format', 'assay-proof '],
    ['/v', 2],
    ['/note', 'an unknown member'],
  ]
  return changes.map(([pointer, value]) => {
    const verdict = verifyProof(canonicalJson(replaceAt(proof, pointer, value)), readerOf(round))
    if (verdict.kind === 'valid') throw new Error(`a proof changed at ${pointer} is valid`)
    return { pointer, value, kind: verdict.kind }
  })
}

function replaceAt(json: Json, pointer: string, value: Json): Json {
  const [, key = '', ...rest] = pointer.split('/')
  if (!isObject(json)) throw new Error(`nothing at ${pointer}`)
  const inner = rest.map(token => `/${token}`).join('')
  return { ...json, [key]: inner === '' ? value : replaceAt(json[key] ?? null, inner, value) }
}

function readerOf({ log, operators, chain }: Round): Required<Trust> {
  return {
    logs: new Set([log.identityKey]),
    operators: new Set(operators.map(operator => operator.identityKey)),
    headers: chain.headers(),
    allowLocal: true,
  }
}

/** Byte strings as hex, so that the file is JSON. */
function readable(value: unknown): Json {
  if (value instanceof Uint8Array) return toHex(value)
  if (Array.isArray(value)) return value.map(readable)
  if (typeof value !== 'object' || value === null) return value as Json
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, readable(inner)]))
}

function workCases(): Json {
  const agent = party('agent normalize 0')
  const jobOutpoint = { txid: 'cd'.repeat(32), vout: 1 }
  const bytes = writeWork([
    { leaf: 'ab'.repeat(32), output: utf8('{"a":1}\n'), state: utf8('{}') },
    { leaf: '0'.repeat(64), output: new Uint8Array(), state: new Uint8Array() },
  ])
  const upload = { jobOutpoint, sha256: sha256Hex(bytes), length: bytes.length }
  return [
    {
      agentPrivateKey: toHex(agent.privateKey),
      jobOutpoint,
      outputBytes: toHex(bytes),
      workHash: workHash(agent.identityKey, jobOutpoint, bytes),
      upload,
      signature: toHex(signUpload(agent.privateKey, upload)),
    },
  ]
}

function manifestCases({ packets }: Round): Json {
  const written: JsonObject[] = [
    ...packets.map(packet => packet.certified.manifest as unknown as JsonObject),
    { datasetId: 'd', content: { contentHash: '0'.repeat(64) }, signatures: { note: 'not covered' } },
    { datasetId: 'd', content: { versionId: 'hidden' } },
  ]
  return written.map(manifest => {
    const parents = (manifest['lineage'] as { parents?: string[] } | undefined)?.parents ?? []
    return {
      manifest,
      ...outcome(versionIdOf(manifest), versionId => ({
        versionId,
        anchor: toHex(anchorScript({ manifestHash: versionId, parents })),
      })),
    }
  })
}

function nameCases(): Json {
  const dotted = [
    'gitdata.events.normalize',
    'a',
    'gitdata.events.iot',
    'gitdata.events.2',
    'Gitdata',
    'a..b',
    'a.',
    'x'.repeat(48),
  ]
  const names = ['tm_gitdata_events_certified', 'ls_gitdata_agents', 'tm_', 'tm_a__b', 'xx_a', 'tm_a.b']
  const value = (result: Outcome<string>) => (result.ok ? result.value : null)
  return [
    ...dotted.map(name => ({
      dotted: name,
      topic: value(topicOf(name)),
      lookupService: value(lookupServiceOf(name)),
    })),
    ...names.map(name => ({ name, dotted: value(dottedNameOf(name)) })),
  ]
}

function signatureCases(): Json {
  const { privateKey, identityKey } = party('log')
  const keyId = 'ab'.repeat(32)
  const request = {
    method: 'POST',
    path: '/overlay/events/ingest?dry=1',
    nonce: '1780000000000000000',
    body: utf8('{"events":[]}'),
  }
  const signed = (version: RequestSignatureVersion): JsonObject => ({
    version,
    identityKey,
    ...request,
    body: toHex(request.body),
    signature: signRequest(request, version, privateKey),
  })
  return [
    {
      privateKey: toHex(privateKey),
      identityKey,
      protocol: 'gitdata event job',
      keyId,
      data: toHex(utf8('hello')),
      signature: toHex(signDetached(privateKey, 'gitdata event job', keyId, utf8('hello'))),
    },
    signed(1),
    signed(2),
  ]
}

function transactionCases({ transactions, beef }: Round): Json {
  const listed = transactions.map(({ txid, raw }) => ({ txid, raw: toHex(raw) }))
  return [...listed, { beef: toHex(beef) }]
}

function verdictCases(round: Round): Json {
  const { logs, operators, headers, allowLocal } = readerOf(round)
  const readers = {
    nothing: {},
    lists: { logs, operators },
    'lists and headers': { logs, operators, headers },
    'lists, headers and local': { logs, operators, headers, allowLocal },
  }
  const proofs = {
    'proof.assay.json': round.proof(1, 1),
    'proof-unmined.assay.json': round.proof(0, 0, false),
    'proof-quarantined.assay.json': round.proof(0, 3),
  }
  return Object.entries(proofs).flatMap(([name, proof]) =>
    Object.entries(readers).map(([reader, trust]) => {
      const verdict = verifyProof(canonicalJson(proof), trust)
      if (verdict.kind !== 'valid') throw new Error(`${name}: ${verdict.fault.detail}`)
      return {
        proof: name,
        log: round.log.identityKey,
        reader,
        level: verdict.level,
        outcome: verdict.event.outcome,
      }
    }),
  )
}
