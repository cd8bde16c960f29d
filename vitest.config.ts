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
          maxWorkers: availableParallelism(),
          // each of 150 files would load effect and the sources again: a quarter of the time that they take
          isolate: false,
          ...bounds
        }
      },
      {
        resolve,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts", "test/examples/**/*.test.ts"],
          env,
          pool: "forks",
          // what they compare of the host is their own; half of their time they wait, and more at a time disturb each other
          maxWorkers: 3,
          ...bounds
        }
      }
    ]
  }
})
