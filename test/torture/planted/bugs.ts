/** A fault that somebody could make, as a change of one place of the build. */
export type PlantedBug = {
  readonly name: string
  /** Under dist/src. */
  readonly file: string
  /** Has to be there exactly once. */
  readonly find: string
  readonly replace: string
  /** Of these troubles, so that it is come by. */
  readonly only: readonly string[]
  /** By one of these checks it has to be found: on a slow machine, what is late is not what was planted. */
  readonly foundBy: readonly string[]
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'acknowledges what it does not commit',
    file: 'adapters/log/commit-group.js',
    find: `keep: ({ kind }) => kind === 'committed'`,
    replace: `keep: ({ kind }) => kind === 'committed' && (globalThis.planted = (globalThis.planted ?? 0) + 1) % 4 !== 0`,
    only: ['kills'],
    foundBy: ['acknowledged = logged'],
  },
  {
    name: 'seals one event twice and another not at all',
    file: 'core/log/packet.js',
    find: 'const bytes = joinLines(segments);',
    replace: `const bytes = (all => {
        const lines = Buffer.from(all).toString().split('\\n');
        if (lines.length > 3)
            lines[1] = lines[0];
        return new Uint8Array(Buffer.from(lines.join('\\n')));
    })(joinLines(segments));`,
    only: ['kills'],
    foundBy: ['logged = certified once'],
  },
  {
    name: 'forgets which requests it has answered',
    file: 'adapters/log/settle-requests.js',
    find: 'return idempotency === undefined ? []',
    replace: 'return true ? []',
    only: ['lost-answers'],
    foundBy: ['acknowledged = logged'],
  },
  {
    name: 'forgets which events it has',
    file: 'adapters/log/settle-identities.js',
    find: 'if (events.length === 0)',
    replace: 'if (events.length >= 0)',
    only: ['kills'],
    foundBy: ['acknowledged = logged'],
  },
  {
    name: 'takes the word of one operator for a quorum',
    file: 'core/rounds/agreement.js',
    find: 'count >= quorums[level].agreeing',
    replace: 'count >= 1',
    only: ['kills'],
    foundBy: ['logged = certified once'],
  },
  {
    name: 'certifies a wrong count',
    file: 'core/work/certify-packet.js',
    find: 'outcome: { lines: header.count,',
    replace: 'outcome: { lines: header.count + 1,',
    only: ['kills'],
    foundBy: ['logged = certified once'],
  },
  {
    name: 'resumes a stream one event too far',
    file: 'serve/live/resume-token.js',
    find: 'places.set(track, { at, line });',
    replace: 'places.set(track, withLine(track) ? { at, line: line + 1 } : { at: at + 1, line });',
    only: ['cut-off-readers'],
    foundBy: ['streams are dense', 'told = certified'],
  },
  {
    name: 'leaves out a message to whoever catches up',
    file: 'serve/live/catch-up.js',
    find: 'of said)',
    replace: 'of said.slice(said.length > 1 ? 1 : 0))',
    only: ['cut-off-readers'],
    foundBy: ['streams are dense', 'told = certified'],
  },
  {
    name: 'spends coins that are spent',
    file: 'adapters/fuel/coins.js',
    find: `const free = 'spent_by is null and mined_height`,
    replace: `const free = 'mined_height`,
    only: ['kills'],
    foundBy: ['logged = certified once', 'coins are spent once'],
  },
]
