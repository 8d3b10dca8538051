import { sha256Hex } from '#sha256'
import { concat, utf8 } from '../../../src/core/bytes.ts'
import { answering, changed, inManifest, type Lie, lies, outcome, stand } from './conducts.ts'

const altersState: Lie = {
  name: 'an altered state after the right bytes',
  conduct: answering(async job =>
    stand(
      job,
      await changed(
        job,
        () => true,
        ({ output, state }, packetId) => outcome(packetId, output, concat(state, utf8(' '))),
      ),
    ),
  ),
  shows: ['dissent'],
}

const altersOutputRoot: Lie = {
  name: 'a manifest with an altered root over the right bytes',
  conduct: answering(async job =>
    stand(
      job,
      await changed(
        job,
        () => true,
        member => inManifest(member, { merkleRoot: sha256Hex(member.output) }),
      ),
    ),
  ),
  shows: ['dissent'],
}

const garbageAsManifest: Lie = {
  name: 'garbage where the manifest should be',
  conduct: answering(async job =>
    stand(
      job,
      await changed(
        job,
        () => true,
        member => ({ ...member, output: utf8('{"type":"datasetVersionManifest"') }),
      ),
    ),
  ),
  shows: ['work-void'],
}

/** What one liar of three operators may try at the stages that work on what others have agreed on. */
export const laterLies: Readonly<Record<'validate' | 'certify', readonly Lie[]>> = {
  validate: [...lies, altersState],
  certify: [...lies, altersOutputRoot, garbageAsManifest],
}
