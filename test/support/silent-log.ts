import { openLog } from '../../src/runtime/log.ts'

export const silentLog = openLog('silent')
