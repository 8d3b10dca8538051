/** What crosses a process boundary, for whoever writes an agent, a coordinator or a reader of their own. */

export { signer } from '#curve'
export {
  ADVERT_SATOSHIS,
  ADVERTS_PATH,
  type AdvertAnswer,
  type AdvertRequest,
  readAdvertAnswer,
  readAdvertRequest,
} from './advert-request.ts'
export { agentAdvertIn } from './agent-advert.ts'
export {
  ancestry,
  type Beef,
  type BeefTransaction,
  readBeef,
  writeBeef,
  writeMergedBeef,
} from './beef.ts'
export { type Bump, computeRoot, readBump, writeBump } from './bump.ts'
export {
  type Carried,
  carriedBy,
  EVENTS_OFF_CHAIN_BYTES_MAX,
  type EventBatch,
  type EventBatchToken,
  eventBatchToken,
  readEventBatch,
} from './event-batch.ts'
export {
  HOST_ADDRESS_CHARS_MAX,
  type HostAddress,
  readContentUrl,
  readEndpoint,
  readHostAddress,
  type UrlHost,
} from './host-address.ts'
export {
  type HostAdvert,
  type HostAdvertKind,
  hostAdvertKindOf,
  hostAdvertKinds,
  hostAdvertScript,
  hostAdvertSpendingKey,
  readHostAdvert,
} from './host-advert.ts'
export { judgeBeef, readHistory } from './judge-beef.ts'
export { anyoneSigningKey, anyoneVerifyingKey, signDetached, verifyDetached } from './keys.ts'
export {
  type AgentAdvert,
  type AgentHealth,
  type JobOffer,
  readAgentAdvert,
  readAgentHealth,
  readJobOffer,
  readWorkUpload,
  type WorkUpload,
} from './messages.ts'
export { baseLookupServices, baseTopics, dottedNameOf, lookupServiceOf, topicOf } from './names.ts'
export { againstOperatorWord, type OperatorWord, signOperatorWord } from './operator.ts'
export {
  type CertifiedMember,
  certificateOutputs,
  jobOutputs,
  pipelineSpend,
  type ResultSaid,
  resultTransaction,
  type SeatFor,
  stepSpends,
} from './pipeline-outputs.ts'
export { isPipelineOutput, pipelineTransaction } from './pipeline-transaction.ts'
export { type PacketProof, type ProofFile, readPacketProof, readProof } from './proof.ts'
export { type Replay, type ReplayMaterial, replayProof } from './replay.ts'
export {
  type RequestSignatureVersion,
  type SeenNonce,
  type SignableRequest,
  type SignedRequest,
  signRequest,
  verifyRequest,
} from './request-signature.ts'
export { ROUNDS_PATH, type RoundPart, roundParts, roundPartUrl } from './round-locations.ts'
export { type Lock, p2pkhLock, readLock, tokenLock } from './script.ts'
export { checkSpends, judgeSpend, type Spend, type SpendVerdict, signTransaction } from './spend.ts'
export { readSubmittedBeef } from './submitted-beef.ts'
export {
  type Challenge,
  type OfferSteak,
  readChallenge,
  readOfferSteak,
  readSubscribe,
  readSubscribed,
  SUBSCRIBE_PATH,
  type Subscribe,
  type Subscribed,
  type Subscription,
  signSubscribed,
  signSubscription,
  verifySubscribed,
  verifySubscription,
} from './subscription.ts'
export {
  agentSubject,
  type Issuer,
  operatorWord,
  readToken,
  spendingKey,
  type Token,
  type TokenOf,
  type TokenTag,
  tagOf,
  tokenScript,
} from './tokens.ts'
export { buildTransaction, readTransaction, type Transaction } from './transaction.ts'
export {
  meansUhrpAdvert,
  readUhrpAdvert,
  UHRP_LOCATION_CHARS_MAX,
  type UhrpAdvert,
  uhrpAdvertScript,
  uhrpAdvertSpendingKey,
} from './uhrp-advert.ts'
export { hashInUhrpUrl, uhrpUrlOf } from './uhrp-url.ts'
export type { Purpose, Unpaid } from './unpaid.ts'
export {
  exitCodeOf,
  type HeaderChain,
  headerChain,
  type PacketVerdict,
  type ProofLevel,
  type ProofVerdict,
  type ProvenAnswer,
  type ProvenEvent,
  type ProvenPacket,
  type ProvenStage,
  proofLevels,
  readHeadersFile,
  type Trust,
  type ValidPacketProof,
  type ValidProof,
  verifyPacketProof,
  verifyProof,
} from './verify.ts'
export { readWork, signUpload, type Upload, verifyUpload, type Work, workHash, writeWork } from './work.ts'
