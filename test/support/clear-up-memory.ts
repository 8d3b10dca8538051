import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** All that nobody holds is gone when it resolves, and so is what only that had held. */
export async function clearUpMemory(): Promise<void> {
  for (let n = 0; n < 5; n++) {
    collect()
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
