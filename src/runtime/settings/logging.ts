import * as z from 'zod'
import { yesOrNo } from './kinds.ts'
import { setting } from './setting.ts'

/** What is logged. */
export const loggingSettings = {
  LOG_PAYLOADS: setting(
    yesOrNo(),
    'false',
    'whether what publishers send is logged, to find a mistake; with LOG_LEVEL=debug only',
  ),
  LOG_LEVEL: setting(
    z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    'info',
    'how much is logged',
  ),
}
