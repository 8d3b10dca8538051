import { BEEF_BYTES_MAX, type Beef } from '../src/contract/beef.ts'
import { readHistory } from '../src/contract/judge-beef.ts'
import { statedStage } from '../src/contract/pipeline-tokens.ts'
import { tagOf } from '../src/contract/tokens.ts'
import type { Transaction } from '../src/contract/transaction.ts'
import { type Admission, type Host, judge } from '../src/core/rounds/judging/judge.ts'
import { type Stage, type Template, templates } from '../src/core/rounds/template.ts'
import { admitNumbers } from './admit-numbers.ts'
import { pipelineDocumentation } from './pipeline-documentation.ts'
import type { PipelineTopic, PipelineTopicOptions } from './pipeline-options.ts'
import type { AdmittanceInstructions, TopicManager, TopicMetaData } from './topic-manager.ts'

/**
 * `tm_gitdata_events_normalize`, `…_validate`, `…_certify` and `…_certified`: jobs and results of a stage, and certificates.
 * Each admits what is its own of what the rules of the pipeline allow, and keeps every coin: what was asked and answered
 * stays on record.
 */
export class PipelineTopicManager implements TopicManager {
  readonly #topic: PipelineTopic
  readonly #judgeOnce: (beef: Beef) => Admission
  readonly #options: PipelineTopicOptions
  readonly #beefBytesMax: number

  constructor(topic: PipelineTopic, options: PipelineTopicOptions = {}) {
    this.#topic = topic
    this.#options = options
    this.#judgeOnce = judgeFor(hostOf(options))
    this.#beefBytesMax = options.beefBytesMax ?? BEEF_BYTES_MAX
  }

  admit(beef: Beef, previousCoins: readonly number[]): AdmittanceInstructions {
    const { topic, outputs } = this.#judgeOnce(beef)
    return {
      outputsToAdmit: topic === this.#topic ? [...outputs] : [],
      // Also where nothing is admitted: a host removes what is not retained, and then nobody could walk back.
      coinsToRetain: [...previousCoins],
    }
  }

  concerns({ outputs }: Transaction): boolean {
    return outputs.some(({ script }) =>
      this.#topic === 'certified' ? tagOf(script) === 'GDC1' : statedStage(script) === this.#topic,
    )
  }

  async identifyAdmissibleOutputs(beef: number[], previousCoins: number[]): Promise<AdmittanceInstructions> {
    return admitNumbers(this, this.#beefBytesMax, beef, previousCoins)
  }

  async getDocumentation(): Promise<string> {
    return pipelineDocumentation(this.#topic, this.#options, this.#beefBytesMax)
  }

  async getMetaData(): Promise<TopicMetaData> {
    const { informationUrl } = this.#options
    return {
      ...(this.#topic === 'certified' ? ofCertificates : ofStage(this.#topic)),
      version: '1.0.0',
      ...(informationUrl !== undefined && { informationURL: informationUrl }),
    }
  }
}

const nothing: Admission = { topic: undefined, outputs: [] }

function hostOf({ templates: some, coordinators, operators }: PipelineTopicOptions): Host {
  return {
    templates: [...(some ?? allTemplates)],
    ...(coordinators !== undefined && { coordinators: new Set(coordinators) }),
    ...(operators !== undefined && { operators: new Set(operators) }),
  }
}

const allTemplates = Object.keys(templates).filter((name): name is Template => Object.hasOwn(templates, name))

/**
 * A verdict is the same for every topic, and two of them ask about each step: that of its stage, and that of the stage
 * before. Managers that are configured alike share what they have found.
 */
function judgeFor(host: Host): (beef: Beef) => Admission {
  const configured = JSON.stringify([
    [...host.templates].sort(),
    host.coordinators && [...host.coordinators].sort(),
    host.operators && [...host.operators].sort(),
  ])
  return beef => {
    const known = verdicts.get(beef) ?? new Map<string, Admission>()
    verdicts.set(beef, known)
    const verdict = known.get(configured) ?? judged(beef, host)
    known.set(configured, verdict)
    return verdict
  }
}

const verdicts = new WeakMap<Beef, Map<string, Admission>>()

function judged(beef: Beef, host: Host): Admission {
  const history = readHistory(beef)
  const admission = history.ok ? judge(beef.subject.txid, history.value, host) : history
  return admission.ok ? admission.value : nothing
}

const ofCertificates = {
  name: 'Certificates',
  shortDescription: 'Takes certificates of event packets, each with the quorums of every stage behind it.',
}

function ofStage(stage: Stage) {
  return {
    name: `Jobs and results: ${stage}`,
    shortDescription: `Takes jobs and results of the stage ${stage}, with the quorums of the stages before.`,
  }
}
