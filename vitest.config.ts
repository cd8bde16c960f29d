import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    reporters: ["default", "./test/reporter.ts"],
    projects: [
      { test: { name: "unit", include: ["test/**/*.test.ts"], exclude: ["test/integration/**"], maxWorkers: 2 } },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          // a runtime forks itself: its process must be started with these flags
          pool: "forks",
          execArgv: ["--single-threaded", "--v8-pool-size=0"],
          fileParallelism: false,
          testTimeout: 120_000
        }
      }
    ]
  }
})
