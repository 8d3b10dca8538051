import * as z from 'zod'
import { wholeNumber, yesOrNo } from './kinds.ts'
import { setting } from './setting.ts'

const PAUSES_MAX = 20
const PAUSE_S_MAX = 7 * 86_400

/** What is stored of who wants to be told what, and how it is delivered. */
export const subscriptionSettings = {
  SUBSCRIPTIONS_MAX: setting(
    wholeNumber(0, 1_000_000),
    '10000',
    'subscriptions that are stored on this database, expired ones included for 30 days',
  ),
  SUBSCRIPTIONS_PER_IDENTITY_MAX: setting(
    wholeNumber(0, 100_000),
    '100',
    'of these, subscriptions of one identity',
  ),
  WEBHOOKS_HELD_MAX: setting(
    wholeNumber(0, 100_000),
    '5000',
    'webhooks that one node delivers to; others take the rest; with 0 this node delivers to none',
  ),
  WEBHOOKS_AT_ONCE: setting(wholeNumber(1, 1_000), '32', 'deliveries to webhooks under way at the same time'),
  WEBHOOK_TIMEOUT_MS: setting(
    wholeNumber(100, 120_000),
    '15000',
    'what a receiver has for its answer to a delivery',
  ),
  WEBHOOK_RETRY_SECONDS: setting(
    z
      .string()
      .transform(text => text.split(',').map(part => part.trim()))
      .pipe(z.array(wholeNumber(1, PAUSE_S_MAX)).min(1).max(PAUSES_MAX)),
    '5,300,1800,7200,18000,36000,50400,72000,86400',
    'pauses before each further try of a delivery, in seconds, separated by commas; after the last one the subscription is paused',
  ),
  WEBHOOK_BATCH_EVENTS_MAX: setting(
    wholeNumber(1, 10_000),
    '1000',
    'messages of one delivery that an owner may ask for',
  ),
  WEBHOOK_BATCH_BYTES_MAX: setting(
    wholeNumber(1_024, 16_000_000),
    '1000000',
    'bytes of the messages of one delivery, but for a single one',
  ),
  WEBHOOK_DEAD_LETTERS_MAX: setting(
    wholeNumber(1, 100_000),
    '1000',
    'messages that are set aside for one subscription; with one more it is paused',
  ),
  WEBHOOK_PRIVATE_TARGETS: setting(
    yesOrNo(),
    'false',
    'whether webhooks may be inside, and without TLS; only where everybody who may subscribe may also reach what is there',
  ),
}
