import { createRequire } from 'node:module'

type Command = {
  readonly summary: string
  /** Told everything by its settings. */
  readonly takesNothing?: boolean
  /** Resolves to the exit code. */
  run(args: readonly string[]): Promise<number>
}

export const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  [
    'up',
    {
      summary:
        'start everything on this machine: database, chain, node, nine agents of three operators, a demo',
      run: async args => (await import('./up.ts')).up(args),
    },
  ],
  [
    'node',
    {
      takesNothing: true,
      summary: 'start a node; docs/operating.md has its settings',
      run: async () => (await import('./run-node.ts')).runNode(),
    },
  ],
  [
    'agent',
    {
      summary: 'start one agent: assay agent normalize|validate|certify; docs/agents.md has its settings',
      run: async args => (await import('./agent.ts')).agent(args),
    },
  ],
  [
    'migrate',
    {
      takesNothing: true,
      summary: 'bring the database to where this version expects it',
      run: async () => (await import('./on-database.ts')).migrateDatabase(),
    },
  ],
  [
    'reindex',
    {
      summary:
        'rebuild projections (also beside nodes) and, with all nodes stopped, indexes of lookup services',
      run: async args => (await import('./on-database.ts')).reindexDatabase(args),
    },
  ],
  [
    'doctor',
    {
      summary: 'look for what is wrong: assay doctor [--deep] [--json]',
      run: async args => (await import('./doctor.ts')).doctor(args),
    },
  ],
  [
    'keys',
    {
      summary: 'create, show and rotate the keys of nodes, agents and operators',
      run: async args => (await import('./keys.ts')).keys(args),
    },
  ],
  [
    'wallet',
    {
      summary: 'show, fund and split what pays for transactions',
      run: async args => (await import('./wallet.ts')).wallet(args),
    },
  ],
  [
    'sources',
    {
      summary: 'list, register and change who may send events, and rotate their secrets',
      run: async args => (await import('./sources.ts')).sources(args),
    },
  ],
  [
    'streams',
    {
      summary: 'list, make and change the streams that events go into',
      run: async args => (await import('./streams.ts')).streams(args),
    },
  ],
  [
    'jobs',
    {
      summary: 'list rounds, explain packets, take up what was given up',
      run: async args => (await import('./jobs.ts')).jobs(args),
    },
  ],
  [
    'verify',
    {
      summary:
        'check a proof, or with --all a whole log: assay verify <file.assay.json | - | event id | --all export>',
      run: async args => (await import('./verify.ts')).verify(args),
    },
  ],
  [
    'export',
    {
      summary: 'write a whole log into one file, which `assay verify --all` checks: assay export --out FILE',
      run: async args => (await import('./export.ts')).exportLog(args),
    },
  ],
  [
    'bench',
    {
      summary: 'measure this machine: assay bench [<suite>] [--json FILE]; docs/performance.md',
      run: async args => (await import('../../bench/run.ts')).runBench(args),
    },
  ],
  [
    'version',
    {
      takesNothing: true,
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
      takesNothing: true,
      summary: 'print this list',
      async run() {
        for (const [name, { summary }] of commands) console.log(`  assay ${name.padEnd(9)}${summary}`)
        return 0
      },
    },
  ],
])
