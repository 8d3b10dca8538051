import { sha256Hex } from '#sha256'
import { concat, utf8 } from '../../../src/core/bytes.ts'
import { alteredWork, answering, changed, inManifest, type Lie, lies, outcome, stand } from './conducts.ts'

/** Of what the stage before has agreed on, its results repeat the root, which the job says. */
const altersInputRoot: Lie = {
  name: 'an altered root of what the stage before agreed on',
  conduct: answering(async job => {
    const work = await alteredWork(job, () => true)
    const stated = { ...job.facts, inputRoot: sha256Hex(utf8('another root')) }
    await job.submit(job.result(job.said(work), job.agent, stated))
  }),
  shows: [],
}

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

const atBoth = [...lies, altersInputRoot]

/** What one liar of three operators may try at the stages that work on what others have agreed on. */
export const laterLies: Readonly<Record<'validate' | 'certify', readonly Lie[]>> = {
  validate: [...atBoth, altersState],
  certify: [...atBoth, altersOutputRoot, garbageAsManifest],
}
