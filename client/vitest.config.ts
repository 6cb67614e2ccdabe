import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Where `npm run matrix` has put others, those.
const peers = process.env['PRESENTLY_PEERS'] ?? fileURLToPath(new URL('./test/older', import.meta.url))
const older = (name: string) => `${peers}/node_modules/${name}`

export default defineConfig({
  test: {
    // Two cores, shared with others.
    maxWorkers: 2,
    testTimeout: 30_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/*.test.ts'], environment: 'node' } },
      { extends: true, test: { name: 'page', include: ['test/page/*.test.ts'], environment: 'happy-dom' } },
      { extends: true, test: { name: 'bindings', include: ['test/bindings/*.test.{ts,tsx}'], environment: 'happy-dom' } },
      {
        // The oldest versions that we promise to work with.
        extends: true,
        resolve: { alias: [{ find: /^(react|react-dom|vue)(\/.*)?$/, replacement: older('$1') + '$2' }] },
        test: { name: 'older', include: ['test/bindings/*.test.{ts,tsx}'], environment: 'happy-dom' },
      },
    ],
  },
})
