import { defineConfig } from 'vitest/config'

export default defineConfig({
  // `source` makes the conditional imports of package.json read src/, never a stale dist/.
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['test/**/*.{test,spec}.ts'],
    setupFiles: ['test/support/setup.ts'],
    // Starts nothing before a test asks for a database.
    globalSetup: ['test/support/database-server.ts'],
    // What hangs is cut off; a busy machine is waited for.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Most files wait, for a database or for processes of their own, more than they compute.
    maxWorkers: 2,
    // `npm test` has just built what it starts as programs of their own: see test/support/assay-program.ts.
    env: process.env['npm_lifecycle_event'] === 'test' ? { ASSAY_BUILT: 'true' } : {},
  },
})
