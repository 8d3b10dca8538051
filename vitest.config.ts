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
  },
})
