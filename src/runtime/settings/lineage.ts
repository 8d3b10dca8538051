import { wholeNumber, yesOrNo } from './kinds.ts'
import { setting } from './setting.ts'

/** What others are told of a version, its lineage and its proofs. */
export const lineageSettings = {
  BUNDLE_MAX_DEPTH: setting(
    wholeNumber(0, 64),
    '8',
    'generations of parents that /bundle goes down at most, and as many when it is not told',
  ),
  BUNDLE_VALIDATE: setting(
    yesOrNo(),
    'true',
    'check each proof whole and hold it to POLICY_MIN_CONFS before /bundle gives it; that its block is on the best chain is checked in any case',
  ),
  POLICY_MIN_CONFS: setting(
    wholeNumber(0, 1_000_000),
    '1',
    'confirmations that a version and all it descends from must have for /ready to say so',
  ),
  READY_VERSIONS_MAX: setting(
    wholeNumber(1, 10_000_000),
    '1000000',
    'versions of one lineage that /ready looks at; of a longer one it says lineage-too-long',
  ),
}
