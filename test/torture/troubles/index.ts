import type { Trouble } from '../trouble.ts'
import { chain } from './chain.ts'
import { clocks } from './clocks.ts'
import { cutOffReaders } from './cut-off-readers.ts'
import { fuel } from './fuel.ts'
import { fullDisk } from './full-disk.ts'
import { hostile } from './hostile.ts'
import { kills } from './kills.ts'
import { liars } from './liars.ts'
import { links } from './links.ts'
import { lostAnswers } from './lost-answers.ts'
import { pauses } from './pauses.ts'
import { postgres } from './postgres.ts'
import { stops } from './stops.ts'

export const troubles: readonly Trouble[] = [
  kills,
  stops,
  pauses,
  postgres,
  links,
  lostAnswers,
  cutOffReaders,
  fullDisk,
  clocks,
  chain,
  fuel,
  hostile,
  liars,
]
