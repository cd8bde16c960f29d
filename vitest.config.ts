import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { enterDirectory } from "./test/support/leftovers.mjs"

enterDirectory()

/** The examples import the package by its name; here that is its source. */
const resolve = {
  alias: [
    { find: /^runfx$/, replacement: fileURLToPath(new URL("src/index.ts", import.meta.url)) },
    { find: /^runfx\/testing$/, replacement: fileURLToPath(new URL("src/testing/Testing.ts", import.meta.url)) },
    { find: /^runfx\/(.*)$/, replacement: fileURLToPath(new URL("src/", import.meta.url)) + "$1.ts" }
  ]
}

/** Only what hangs for ever takes so long, in milliseconds: a busy machine takes ten times as long as an idle one. */
const bounds = { testTimeout: 1_800_000, hookTimeout: 1_800_000 }

/**
 * Integration tests that look at nothing of the host's but what they have made themselves, so that others may run beside them.
 * They go behind the unit tests, which take half of the time of the others.
 */
const apart = [
  "test/integration/packed.test.ts",
  "test/integration/planPage.test.ts",
  "test/examples/recipes.test.ts",
  "test/examples/examples.test.ts"
]

/** Node 20 reads all certificates of this file whenever it starts, and these tests start it some thousand times. */
const env = { NODE_EXTRA_CA_CERTS: "" }

export default defineConfig({
  test: {
    reporters: ["default", "./test/reporter.ts"],
    globalSetup: ["./test/support/globalSetup.ts"],
    projects: [
      {
        resolve,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
          exclude: ["test/integration/**", "test/examples/**"],
          // beside it the integration tests run: scripts/test.mjs
          maxWorkers: Math.max(1, availableParallelism() - 1),
          // each of 150 files would load effect and the sources again: a quarter of the time that they take
          isolate: false,
          ...bounds
        }
      },
      {
        resolve,
        test: {
          name: "apart",
          include: apart,
          pool: "forks",
          fileParallelism: false,
          ...bounds
        }
      },
      {
        resolve,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts", "test/examples/**/*.test.ts"],
          exclude: apart,
          env,
          pool: "forks",
          fileParallelism: false,
          ...bounds
        }
      }
    ]
  }
})
