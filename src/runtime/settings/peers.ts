import { httpUrl, list, wholeNumber, yesOrNo } from './kinds.ts'
import { setting } from './setting.ts'

/** The hosts beside this one. */
export const peersSettings = {
  ASSAY_PEERS: setting(
    list(httpUrl()),
    '',
    'overlay hosts that are told of everything new that is distributed, separated by commas',
  ),
  ASSAY_PEERS_PER_TOPIC_MAX: setting(
    wholeNumber(0, 1000),
    '32',
    'hosts that are told of a topic because they advertise it',
  ),
  ASSAY_PEERS_UNPROVEN: setting(
    yesOrNo(),
    'true',
    'whether hosts that advertise themselves are peers also where they cannot prove a key (BRC-103); one that proves another key than its advert’s never is',
  ),
  ASSAY_SYNC_MS: setting(
    wholeNumber(100, 86_400_000),
    '60000',
    'pause between two looks at what a peer has that this node has missed',
  ),
}
