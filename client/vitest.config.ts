import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const older = (name: string) => fileURLToPath(new URL(`./test/older/node_modules/${name}`, import.meta.url))

export default defineConfig({
  test: {
    // Two cores, shared with others.
    maxWorkers: 2,
    projects: [
      { test: { name: 'unit', include: ['test/*.test.ts'], environment: 'node' } },
      { test: { name: 'page', include: ['test/page/*.test.ts'], environment: 'happy-dom' } },
      { test: { name: 'bindings', include: ['test/bindings/*.test.{ts,tsx}'], environment: 'happy-dom' } },
      {
        // The oldest versions that we promise to work with.
        resolve: { alias: [{ find: /^(react|react-dom|vue)(\/.*)?$/, replacement: older('$1') + '$2' }] },
        test: { name: 'older', include: ['test/bindings/*.test.{ts,tsx}'], environment: 'happy-dom' },
      },
    ],
  },
})
