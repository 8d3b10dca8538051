import * as z from 'zod'
import { readLimits } from '../../core/registry/members.ts'
import { identityKeys, inJson, wholeNumber } from './kinds.ts'
import { setting } from './setting.ts'

/** What publishers may do by themselves. */
export const publisherSettings = {
  PUBLISHERS: setting(
    z.union(
      [z.enum(['', 'open', 'none']), identityKeys],
      'neither open, nor none, nor compressed public keys in lower-case hex',
    ),
    '',
    'identities that may register feeds of their own, separated by commas; open for anybody, none for nobody; where nothing is said, anybody on the local network and nobody on others',
  ),
  PUBLISHERS_MAX: setting(
    wholeNumber(0, 10_000_000),
    '10000',
    'publishers who have told who they are (register-identity), of whom this database keeps it',
  ),
  PUBLISHER_FEEDS_MAX: setting(
    wholeNumber(0, 10_000_000),
    '10000',
    'feeds of all publishers together; those that an operator has registered with an identity key count',
  ),
  PUBLISHER_FEEDS_PER_IDENTITY_MAX: setting(wholeNumber(0, 1_000), '20', 'of these, feeds of one identity'),
  PUBLISHER_STREAMS_MAX: setting(
    wholeNumber(0, 10_000_000),
    '60',
    'streams of all publishers together; each has up to three partitions, and whoever follows this node without naming streams or topics follows 200 at most',
  ),
  PUBLISHER_STREAMS_PER_IDENTITY_MAX: setting(
    wholeNumber(0, 1_000),
    '40',
    'of these, streams that one identity may own',
  ),
  PUBLISHER_CHANGES_PER_DAY_MAX: setting(
    wholeNumber(1, 1_000_000),
    '1000',
    'changes of one identity within a day; each is recorded for good',
  ),
  PUBLISHER_LIMITS_JSON: setting(
    inJson(readLimits),
    '{"eventsPerSecond":1000,"eventsPerDay":10000000,"bytesPerDay":10000000000,"eventsPerMonth":100000000,"bytesPerMonth":100000000000}',
    'limits that a feed or stream of a publisher has at the most, and has where it says nothing; those that an operator has given one itself go before them; and what all overlay batches together have that no source is shown to have sent',
  ),
}
