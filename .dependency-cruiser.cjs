/** One line of prose per rule: it is what a developer reads when the build goes red. scripts/canary.mjs proves that each one sees. */
const stage = 'ingest|packets|jobs|certify|serve|publish'
const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

module.exports = {
  forbidden: [
    forbid(
      'no-cycles',
      'A cycle means two modules are really one, or a shared idea has no home yet.',
      {},
      { circular: true },
    ),
    forbid(
      'core-is-pure',
      'core is arithmetic on values: same input, same answer, on every machine and in a browser.',
      { path: '^src/core/', pathNot: '\\.node\\.ts$' },
      { pathNot: ['^src/core/', 'node_modules/(ajv|ajv-formats|re2js|zod|@noble/hashes)/'] },
    ),
    forbid(
      'only-node-files-import-node',
      'A .node.ts file may use node:crypto, because it has a .browser.ts twin; nothing else there may.',
      { path: '^src/(core|contract)/.*\\.node\\.ts$' },
      {
        pathNot: [
          '^src/(core|contract)/',
          '^(node:)?(crypto|module)$',
          'node_modules/(secp256k1|@noble/secp256k1)/',
        ],
      },
    ),
    forbid(
      'contract-knows-only-core',
      'The wire contract is for agents without a node and for verifiers without anybody; it needs no @bsv package.',
      { path: '^src/contract/', pathNot: '\\.node\\.ts$' },
      { pathNot: ['^src/(core|contract)/', 'node_modules/(zod|cborg|@noble/secp256k1|@noble/hashes)/'] },
    ),
    forbid(
      'stages-meet-in-the-database',
      'Stages hand over rows, not calls; that is what lets each of them crash and restart alone.',
      { path: `^src/(${stage})/` },
      { path: `^src/(${stage})/`, pathNot: '^src/$1/' },
    ),
    forbid(
      'stages-declare-ports',
      'A stage says what it needs; node.ts hands it an adapter.',
      { path: `^src/(${stage})/` },
      {
        path: [
          '^src/(adapters|http|runtime|bin|node)/',
          '^src/node\\.ts',
          'node_modules/(knex|pg|express|ws)/',
        ],
      },
    ),
    forbid(
      'adapters-see-ports-only-as-types',
      'An adapter implements a port; it never runs a stage.',
      { path: '^src/adapters/' },
      { path: `^src/(${stage})/`, dependencyTypesNot: ['type-only'] },
    ),
    forbid(
      'topic-managers-are-deterministic',
      'Two honest nodes must admit the same outputs, so no clock, disk, network or database.',
      { path: '^topic-managers/' },
      {
        path: [
          '^src/(?!core/|contract/)',
          '^(lookup-services|agents|migrations)/',
          '^(node:)?(fs|net|https?|timers|dns|child_process)(/|$)',
          'node_modules/(knex|pg|ws|express)/',
        ],
      },
    ),
    forbid(
      'lookup-services-own-their-index',
      'An index is rebuilt from admitted outputs alone.',
      { path: '^lookup-services/' },
      { path: ['^src/(?!core/|contract/)', '^(topic-managers|agents)/'] },
    ),
    forbid(
      'agents-run-without-the-node',
      "An agent is somebody else's process; it may not need our database.",
      { path: '^agents/' },
      {
        path: [
          '^src/(?!core/|contract/|runtime/)',
          '^(topic-managers|lookup-services|migrations)/',
          'node_modules/(knex|pg)/',
        ],
      },
    ),
    forbid(
      'agents-do-not-know-each-other',
      'Independent votes need independent code paths.',
      { path: '^agents/([^/]+)/' },
      { path: '^agents/', pathNot: ['^agents/$1/', '^agents/kit/'] },
    ),
    forbid(
      'clients-run-anywhere',
      "A client is part of somebody else's program or page: no node, no database, no @bsv package, and Node's own modules in one file.",
      { path: '^src/client/', pathNot: '^src/client/file-position\\.ts$' },
      {
        pathNot: [
          '^src/(client|core|contract)/',
          '^src/runtime/(back-off|read-bounded)\\.ts$',
          'node_modules/(zod|eventsource-parser)/',
        ],
      },
    ),
    forbid(
      'nobody-needs-the-client',
      'What a node does must not depend on what is made for those who call it. The demo of assay up is one of those.',
      { path: '^(src|agents|topic-managers|lookup-services)/', pathNot: '^src/(client|bin/demo)/' },
      { path: '^src/client/' },
    ),
    forbid(
      'portal-asks-over-http',
      'The portal is what anybody could build: it knows the rules and the contract, and asks the node for everything else.',
      { path: '^web/' },
      {
        pathNot: ['^web/', '^src/(core|contract)/', 'node_modules/(preact|uplot|zod|@bsv/sdk)/'],
      },
    ),
    forbid(
      'nobody-needs-the-portal',
      'A node without pages is a whole node.',
      { pathNot: '^(web|test)/' },
      { path: '^web/' },
    ),
    forbid(
      'migrations-are-frozen',
      'Old migrations must keep meaning what they meant, so they import nothing of ours.',
      { path: '^migrations/', pathNot: '^migrations/index' },
      { pathNot: 'node_modules/knex/' },
    ),
    forbid(
      'nothing-imports-an-entry-point',
      'bin, node and index.ts are where a program or a host starts, never a library for our own modules.',
      { pathNot: '^(src/(bin/|node/|node\\.ts|index\\.ts)|test/|examples/|bench/)' },
      { path: '^src/(bin/|node/|node\\.ts|index\\.ts)' },
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default', 'types'],
    },
  },
}
