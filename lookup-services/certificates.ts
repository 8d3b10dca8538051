import { baseLookupServices, baseTopics } from '../src/contract/names.ts'
import { readPipelineToken } from '../src/contract/pipeline-tokens.ts'
import { utf8 } from '../src/core/bytes.ts'
import { certificatesLookupDocumentation } from './certificates-documentation.ts'
import type { CertificateEntry, CertificatesIndex, FoundCertificate } from './certificates-index.ts'
import { readCertificatesQuery } from './certificates-query.ts'
import { cursorOf } from './cursor.ts'
import { ListingService } from './listing-service.ts'
import { type AdmittedScript, scriptOf } from './lookup-service.ts'
import { manifestsBeside } from './manifests-beside.ts'

/** `ls_gitdata_certificates`: which packets are certified, by whom, and as which version. */
export class CertificatesLookupService extends ListingService<CertificateEntry> {
  constructor(index: CertificatesIndex, { informationUrl }: { readonly informationUrl?: string } = {}) {
    super({
      topics: [baseTopics.certified],
      index,
      entryIn: certificateIn,
      find: async query => {
        const found = await index.find(readCertificatesQuery(baseLookupServices.certificates, query))
        return found.map(each => ({ txid: each.txid, outputIndex: each.vout, context: contextOf(each) }))
      },
      answersInPart: true,
      documentation: certificatesLookupDocumentation,
      name: 'Certificates',
      shortDescription: 'Finds certificates by packet, version, round, stream, coordinator, agent and time.',
      informationUrl,
    })
  }
}

function certificateIn(output: AdmittedScript): CertificateEntry | undefined {
  const read = readPipelineToken(scriptOf(output))
  if (!read.ok || read.value.tag !== 'GDC1') return undefined
  const { issuer: coordinator, subject: versionId, body } = read.value
  const { supersedes = null, packetId, ...said } = body
  const { txid, outputIndex: vout, offChainValues } = output
  const manifest = (offChainValues && manifestsBeside(offChainValues).get(versionId)) ?? null
  // Nobody has judged the token's word, and a log that numbers two packets alike would give both the same.
  const certified = manifest?.packetId ?? packetId
  return { txid, vout, coordinator, versionId, ...said, packetId: certified, supersedes, manifest }
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
