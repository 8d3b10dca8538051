import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * What node is called with for `assay`. Under `npm test`, which has built it just before, it is the build: that starts in
 * a fifth of the time, and it is what ships. Elsewhere it is the sources, since a build may be an old one.
 */
export const assayProgram: readonly string[] =
  process.env['ASSAY_BUILT'] === undefined
    ? ['--conditions=source', '--import', 'tsx', `${root}/src/bin/assay.ts`]
    : [`${root}/dist/src/bin/assay.js`]
