import { createRequire } from 'node:module'

type Command = {
  readonly summary: string
  /** Resolves to the exit code. */
  run(args: readonly string[]): Promise<number>
}

export const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  [
    'up',
    {
      summary: 'start everything on this machine',
      async run() {
        // Said plainly, and with a failing exit code, so that no script takes it for a running node.
        console.error(
          'assay: there is no node to start yet. What works today: assay verify, assay bench, npm test.',
        )
        return 1
      },
    },
  ],
  [
    'verify',
    {
      summary: 'check a proof file offline: assay verify <file.assay.json>',
      run: async args => (await import('./verify.ts')).verify(args),
    },
  ],
  [
    'bench',
    {
      summary: 'measure this machine: assay bench <suite> [--json FILE]',
      run: async args => (await import('../../bench/run.ts')).runBench(args),
    },
  ],
  [
    'version',
    {
      summary: 'print the version',
      async run() {
        console.log(createRequire(import.meta.url)('assay/package.json').version)
        return 0
      },
    },
  ],
  [
    'help',
    {
      summary: 'print this list',
      async run() {
        for (const [name, { summary }] of commands) console.log(`  assay ${name.padEnd(9)}${summary}`)
        return 0
      },
    },
  ],
])
