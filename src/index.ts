/** What a host may import. Grows with the node; agents and verifiers have entry points of their own. */
export * from './contract/index.ts'
