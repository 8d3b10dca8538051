import * as z from 'zod'
import { list, MAX_BYTES, wholeNumber } from './kinds.ts'
import { optional, setting } from './setting.ts'

/** Content by its hash. */
export const contentSettings = {
  UHRP_DIR: optional(
    z.string().min(1),
    'folder of stored content, shared by all nodes of one database; uhrp in ASSAY_DATA_DIR without it',
  ),
  UHRP_UPLOADERS: setting(
    list(z.string().regex(/^(?:any|0[23][0-9a-f]{64})$/, 'neither any nor an identity key of 66 hex digits')),
    '',
    'identity keys that may store content, separated by commas; or any, for everybody who has one',
  ),
  UHRP_QUOTA_BYTES: setting(
    wholeNumber(0, MAX_BYTES),
    '1073741824',
    'what one identity may keep stored, and all agents of another log in EVENT_COORDINATORS',
  ),
  UHRP_OBJECT_BYTES_MAX: setting(wholeNumber(1, MAX_BYTES), '1073741824', 'what one stored object may have'),
  UHRP_FREE_BYTES_MIN: setting(
    wholeNumber(0, MAX_BYTES),
    '268435456',
    'what stays free of the disk; content that would leave less is refused',
  ),
}
