import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { readPipelineToken } from '../src/contract/pipeline-tokens.ts'
import { utf8 } from '../src/core/bytes.ts'
import { certificatesLookupDocumentation } from './certificates-documentation.ts'
import type { CertificateEntry, CertificatesIndex, FoundCertificate } from './certificates-index.ts'
import { readCertificatesQuery } from './certificates-query.ts'
import { cursorOf } from './cursor.ts'
import {
  type AdmittedOutput,
  type LookupFormula,
  type LookupMetaData,
  type LookupQuestion,
  type LookupService,
  type OutputSpend,
  scriptOf,
  type UnspentOutput,
} from './lookup-service.ts'
import { manifestsBeside } from './manifests-beside.ts'

/** `ls_gitdata_certificates`: which packets are certified, by whom, and as which version. */
export class CertificatesLookupService implements LookupService {
  readonly admissionMode = 'locking-script'
  readonly spendNotificationMode = 'txid'
  readonly takesBytes = true
  readonly answersInPart = true
  readonly #index: CertificatesIndex
  readonly #informationUrl: string | undefined

  constructor(index: CertificatesIndex, { informationUrl }: { readonly informationUrl?: string } = {}) {
    this.#index = index
    this.#informationUrl = informationUrl
  }

  async outputAdmittedByTopic(output: AdmittedOutput): Promise<void> {
    const certificate = certificateIn(output)
    if (certificate !== undefined) await this.#index.put(certificate)
  }

  async outputSpent(spend: OutputSpend): Promise<void> {
    if (spend.mode === 'txid' && spend.topic === topic)
      await this.#index.markSpent({ txid: spend.txid, vout: spend.outputIndex }, spend.spendingTxid)
  }

  async outputUnspent(output: UnspentOutput): Promise<void> {
    if (output.topic === topic)
      await this.#index.markUnspent({ txid: output.txid, vout: output.outputIndex }, output.spendingTxid)
  }

  async outputNoLongerRetainedInHistory(txid: string, outputIndex: number, of: string): Promise<void> {
    if (of === topic) await this.#index.remove({ txid, vout: outputIndex })
  }

  async outputEvicted(txid: string, outputIndex: number): Promise<void> {
    await this.#index.remove({ txid, vout: outputIndex })
  }

  async lookup({ query }: LookupQuestion): Promise<LookupFormula> {
    const found = await this.#index.find(readCertificatesQuery(service, query))
    return found.map(each => ({ txid: each.txid, outputIndex: each.vout, context: contextOf(each) }))
  }

  async getDocumentation(): Promise<string> {
    return certificatesLookupDocumentation()
  }

  async getMetaData(): Promise<LookupMetaData> {
    return {
      name: 'Certificates',
      shortDescription: 'Finds certificates by packet, version, round, stream, coordinator, agent and time.',
      version: '1.0.0',
      ...(this.#informationUrl !== undefined && { informationURL: this.#informationUrl }),
    }
  }
}

const topic = baseTopics.certified
const service = baseLookupServices.certificates

function certificateIn(output: AdmittedOutput): CertificateEntry | undefined {
  if (output.mode !== 'locking-script' || output.topic !== topic) return undefined
  const read = readPipelineToken(scriptOf(output))
  if (!read.ok || read.value.tag !== 'GDC1') return undefined
  const { issuer: coordinator, subject: versionId, body } = read.value
  const { supersedes = null, ...said } = body
  const { txid, outputIndex: vout, offChainValues } = output
  const manifest = (offChainValues && manifestsBeside(offChainValues).get(versionId)) ?? null
  return { txid, vout, coordinator, versionId, ...said, supersedes, manifest }
}

/** Only what there is: without its manifest, nobody knows what stream a certificate is of. */
function contextOf({
  position,
  isForked,
  spentBy,
  txid: _,
  vout: __,
  admittedMs,
  ...said
}: FoundCertificate) {
  const some = Object.entries({ ...said, spentBy }).filter(([, value]) => value !== null)
  const context = {
    admittedMs,
    cursor: cursorOf(position),
    ...Object.fromEntries(some),
    spent: spentBy !== null,
    ...(isForked && { forked: true }),
  }
  return [...utf8(JSON.stringify(context))]
}
