import { coordinatorBounds, jobRules as rulesOf } from '../../src/node/node-rounds.ts'
import { readSettings } from '../../src/runtime/settings.ts'

/** Of a node that is told nothing else. */
export const jobRules = rulesOf(coordinatorBounds(readSettings({})))
