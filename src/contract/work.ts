import { concatAll, knownHex, toHex, u32be, u64be } from '../core/bytes.ts'
import { digest, digestHex } from '../core/digest.ts'
import { accepted, type Outcome, refused } from '../core/fault.ts'
import { type Leaf, noLeaf, type Outpoint } from '../core/rounds/pipeline.ts'
import { signDetached, verifyDetached } from './keys.ts'
import { outpointBytes } from './transaction.ts'

/** What an agent uploads for a job, and the result token commits to: per member its leaf, output and state. */
export type Work = readonly MemberWork[]

type MemberWork = {
  /** `noLeaf`: no answer for this member; output and state are empty then. */
  readonly leaf: Leaf
  readonly output: Uint8Array
  readonly state: Uint8Array
}

/** All leaves, then per member u32be length ‖ output ‖ u32be length ‖ state. */
export function writeWork(work: Work): Uint8Array {
  const framed = ({ output, state }: MemberWork) => [u32be(output.length), output, u32be(state.length), state]
  return concatAll([...work.map(member => knownHex(member.leaf)), ...work.flatMap(framed)])
}

/** `members`: how many the job has. That each leaf is the hash of what stands under it is the stage's to check. */
export function readWork(bytes: Uint8Array, members: number, bytesMax: number): Outcome<Work> {
  if (bytes.length > bytesMax)
    return refused('message-invalid', `the output has ${bytes.length} bytes, and the job allows ${bytesMax}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 32 * members
  const takeFrame = () => {
    const end = at + 4 <= bytes.length ? at + 4 + view.getUint32(at) : Number.POSITIVE_INFINITY
    if (end > bytes.length) return undefined
    const frame = bytes.subarray(at + 4, end)
    at = end
    return frame
  }
  const work: MemberWork[] = []
  for (let member = 0; member < members; member++) {
    const leaf = toHex(bytes.subarray(32 * member, 32 * member + 32))
    const output = takeFrame()
    const state = output && takeFrame()
    if (output === undefined || state === undefined)
      return refused('message-invalid', `the output ends within member ${member} of ${members}`)
    if (leaf === noLeaf && output.length + state.length > 0)
      return refused('message-invalid', `member ${member} has no leaf and yet an output`)
    work.push({ leaf, output, state })
  }
  return at === bytes.length
    ? accepted(work)
    : refused('message-invalid', 'the output goes on after its last member')
}

/** Shows that an agent had the very bytes it votes for: another agent's hash is of no use to it. */
export function workHash(agentKey: string, jobOutpoint: Outpoint, outputBytes: Uint8Array): string {
  return digestHex('assay:work:1', knownHex(agentKey), outpointBytes(jobOutpoint), outputBytes)
}

export type Upload = {
  readonly jobOutpoint: Outpoint
  /** SHA-256 of the bytes, hex. */
  readonly sha256: string
  readonly length: number
}

const uploadProtocol = 'gitdata output upload'

/** An agent's leave for one object under its own job's outpoint. Tokens are public, so none can carry it. */
export function signUpload(agentPrivateKey: Uint8Array, upload: Upload): Uint8Array {
  return signDetached(agentPrivateKey, uploadProtocol, uploadKeyId(upload), uploadStatement(upload))
}

export function verifyUpload(agentKey: string, upload: Upload, signature: Uint8Array): boolean {
  const statement = uploadStatement(upload)
  return verifyDetached(knownHex(agentKey), uploadProtocol, uploadKeyId(upload), statement, signature)
}

function uploadKeyId({ jobOutpoint }: Upload): string {
  return toHex(outpointBytes(jobOutpoint))
}

function uploadStatement({ jobOutpoint, sha256, length }: Upload): Uint8Array {
  return digest('assay:upload:1', outpointBytes(jobOutpoint), knownHex(sha256), u64be(length))
}
