import * as z from 'zod'
import { dottedNameOf, eventTopics } from '../../contract/names.ts'
import { orThrow } from '../../core/fault.ts'
import { httpUrl, identityKeys, list, MAX_BYTES, wholeNumber, yesOrNo } from './kinds.ts'
import { optional, setting } from './setting.ts'

/** Names of topics that a node hosts from the start have one. */
const dottedEventTopics = eventTopics.map(topic => orThrow(dottedNameOf(topic)))

const onlyTrue = (why: string) => yesOrNo().refine(value => value, why)

/** Rounds of packets, the agents that are asked, and what is done where there are none. */
export const jobsSettings = {
  BRC22_JOB_ORCHESTRATION_ENABLED: setting(
    yesOrNo(),
    'true',
    'whether packets go to agents; false: this node alone processes them, up to validated, and never calls that consensus',
  ),
  EVENT_PROCESSING_AGENTS_ENABLED: setting(
    yesOrNo(),
    'true',
    'another name of BRC22_JOB_ORCHESTRATION_ENABLED; one that is false is enough',
  ),
  EVENT_CERTIFICATION_REQUIRED: setting(
    yesOrNo(),
    'true',
    'whether packets are certified; false leaves them at validated, as without agents',
  ),
  EVENT_NORMALIZATION_REQUIRED: setting(
    onlyTrue(
      'every packet is normalized first: a policy that changes nothing is what leaves events as they are',
    ),
    'true',
    'always true; a stream whose events shall stay as they are has a policy without mapping',
  ),
  BRC31_EVENT_SIGNING_REQUIRED: setting(
    onlyTrue('an answer without its agent’s signature is none, and there is no way to count it'),
    'true',
    'always true: jobs, results and certificates are signed tokens',
  ),
  EVENT_CONSENSUS_REQUIRED: setting(
    yesOrNo(),
    'true',
    'whether streams that name no level ask for more than one operator; false makes them basic',
  ),
  EVENT_CONSENSUS_THRESHOLD: setting(
    wholeNumber(1, 3),
    '2',
    'operators that must agree in streams that name no level: 1 basic, 2 of 3 enhanced, 3 of 3 critical; refused beside an EVENT_CONSENSUS_REQUIRED that is set and says otherwise',
  ),
  ROUND_MS: setting(
    wholeNumber(20, 60_000),
    '1000',
    'from one round to the next, on average; longer by itself when fuel or this machine runs short',
  ),
  ROUND_PACKETS_MAX: setting(wholeNumber(1, 64), '64', 'packets of one round'),
  ROUND_BYTES_MAX: setting(
    wholeNumber(1, MAX_BYTES),
    '33554432',
    'bytes of the packets of one round, but for a single one',
  ),
  ROUNDS_AT_ONCE_MAX: setting(
    wholeNumber(1, 1000),
    '16',
    'rounds that one node works on; others take the rest',
  ),
  EVENT_FAN_OUT: setting(
    z.enum(['all', 'quorum-first'], 'neither all nor quorum-first'),
    'all',
    'all: every agent with a seat works; quorum-first: as many as must agree, the others where they do not or are late',
  ),
  EVENT_PROCESSING_TIMEOUT_MS: setting(wholeNumber(100, 3_600_000), '30000', 'what agents have for a job'),
  EVENT_PARALLEL_PROCESSING_ENABLED: setting(
    yesOrNo(),
    'true',
    'whether seats are offered, and jobs worked on, beside each other; false: one after another',
  ),
  EVENT_PARALLEL_WORKERS: setting(wholeNumber(1, 1000), '5', 'jobs that one agent works on at once'),
  EVENT_AGENT_SELECTION_STRATEGY: setting(
    z.enum(['reputation', 'latency', 'cost'], 'none of reputation, latency, cost'),
    'reputation',
    'which agents go first, of those that fit',
  ),
  EVENT_AGENT_REPUTATION_MIN: setting(
    wholeNumber(0, 100),
    '70',
    'agents below it are asked only where too few others are left',
  ),
  EVENT_AGENT_PRICE_MAX: optional(
    wholeNumber(0, 100_000_000),
    'satoshis per thousand events that an agent may ask for; without it, any',
  ),
  EVENT_AGENT_REGIONS: setting(
    list(z.string().min(1).max(64)),
    '',
    'regions that agents must be in, separated by commas; none for any',
  ),
  EVENT_OPERATORS: setting(
    identityKeys,
    '',
    'operators whose agents are asked and whose answers count, separated by commas; none: anybody’s, and nobody can say more of a certificate than that it is consistent',
  ),
  EVENT_OPERATORS_SIMULATED: setting(
    yesOrNo(),
    'false',
    'whether all of EVENT_OPERATORS are one person’s, as where `npm start` runs them; whatever counts operators says so then',
  ),
  EVENT_COORDINATORS: setting(
    identityKeys,
    '',
    'logs whose jobs and certificates are admitted here beside our own; none: anybody’s',
  ),
  INGEST_RETRY_MAX: setting(
    wholeNumber(1, 12),
    '5',
    'rounds that a packet may be in without a verdict before it is split',
  ),
  EVENT_DECIDE_MS_MAX: setting(
    wholeNumber(1_000, 86_400_000),
    '600000',
    'after agents have had a packet for so long, in all its rounds together, it is split at its next try without a verdict',
  ),
  INGEST_BACKOFF_BASE_MS: setting(wholeNumber(1, 30_000), '500', 'pause before the first retry of a packet'),
  INGEST_BACKOFF_FACTOR: setting(
    wholeNumber(1, 10),
    '2',
    'how much longer each further pause is; none is above 30 seconds',
  ),
  EVENT_JOB_RETRY_MAX: setting(
    wholeNumber(1, 10),
    '3',
    'how often a seat is offered to an agent that does not take it',
  ),
  EVENT_DEGRADED_MODE: setting(
    z.enum(['local', 'wait'], 'neither local nor wait'),
    'local',
    'without fuel or agents, or behind by more than EVENT_DEGRADED_BACKLOG_EVENTS: local: this node processes packets up to validated, and agents certify them later; wait: nothing is done until then',
  ),
  EVENT_DEGRADED_BACKLOG_EVENTS: setting(
    wholeNumber(1, 1_000_000_000),
    '2000000',
    'events in packets without a certificate from which a node counts as behind',
  ),
  OVERLAY_EVENT_DISTRIBUTION_ENABLED: setting(
    yesOrNo(),
    'true',
    'whether other hosts are told of events, jobs, results and certificates; false tells the network and the agents alone, and advertises no topic of events',
  ),
  OVERLAY_EVENT_TOPICS: setting(
    list(z.enum(dottedEventTopics, `none of ${dottedEventTopics.join(', ')}`)),
    'gitdata.events.ingest,gitdata.events.certified',
    'topics of events that this node advertises to other hosts, which then tell it of them, by dotted name',
  ),
  CERTIFIER_WEBHOOK_URL: optional(
    httpUrl(),
    'a certifier outside, which is asked about each event of streams that anybody may read; what it says stands beside the verdict and is never counted in it',
  ),
  CERTIFIER_TIMEOUT_MS: setting(wholeNumber(1, 600_000), '8000', 'what it has for an answer'),
}
