import type { LineConstants } from '../core/event/line.ts'
import type { Stage } from '../core/rounds/template.ts'
import { type OutputLine, outputBounds, readOutputLine } from '../core/work/stage-output.ts'
import type { PacketLines, ReadLine, SeatAnswer, StageWork, TextAt } from './packet-work.ts'

/** What the agents of a stage agreed on about one event. */
export type StageLine = {
  /** Canonical, without the newline. */
  readonly text: string
  readonly read: OutputLine
}

/**
 * What stands of an event: its certified line, where it has one, or that of the last stage that was agreed. What was agreed in
 * a round that the packet has left binds nobody.
 */
export async function lastLine(
  work: PacketLines,
  index: number,
  readLine: ReadLine,
): Promise<(StageLine & { readonly stage: Stage }) | 'busy' | undefined> {
  const { shown } = work
  if (shown === null || shown.orchestration !== 'quorum') return undefined
  for (const stage of ['validate', 'normalize'] as const) {
    if (!reachedBy[stage].has(shown.state)) continue
    const line = await stageLine(work, stage, index, readLine)
    if (line === 'busy') return 'busy'
    if (line !== undefined) return { stage, ...line }
  }
  return undefined
}

const certified = ['certified', 'anchored', 'proven']
const reachedBy: Readonly<Record<'normalize' | 'validate', ReadonlySet<string>>> = {
  normalize: new Set(['normalized', 'validated', ...certified]),
  validate: new Set(['validated', ...certified]),
}

/** Line `index` answers line `index` of the packet. Undefined where nothing was agreed, or its bytes are gone. */
export async function stageLine(
  work: PacketLines,
  stage: 'normalize' | 'validate',
  index: number,
  readLine: ReadLine,
): Promise<StageLine | 'busy' | undefined> {
  for (const text of textsOf(work, stage)) {
    const line = await readLine(text, index)
    if (line === 'busy') return 'busy'
    const read = line === undefined ? undefined : readLineOf(line, work.header.constants)
    if (line !== undefined && read !== undefined) return { text: line, read }
  }
  return undefined
}

/** What is certified is kept by its hash for good; what agents have stored, for as long as they wish. */
function textsOf({ shown, stages }: PacketLines, stage: 'normalize' | 'validate'): TextAt[] {
  const job = stages.find(each => each.stage === stage)
  const contentHash = stage === 'validate' ? (shown?.contentHash ?? null) : null
  const stored = agreedAnswers(job).flatMap(({ output }) => output ?? [])
  return contentHash === null
    ? stored
    : [{ sha256: contentHash, at: 0, length: outputBounds.bytesMax }, ...stored]
}

export function agreedAnswers(job: StageWork | undefined): SeatAnswer[] {
  return (job?.seats ?? []).flatMap(({ answers }) => answers.filter(({ isAgreed }) => isAgreed))
}

function readLineOf(line: string, constants: LineConstants): OutputLine | undefined {
  const read = readOutputLine(line, constants)
  return read.ok ? read.value : undefined
}
