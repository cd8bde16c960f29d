/**
 * Closes a test run with plain lines: the files that something failed in, and how many tests passed, failed and were skipped.
 */
import type { Reporter, TestModule } from "vitest/node"

export default class ClosingLines implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0 }
    for (const module of modules) {
      // a module that does not load has no tests, and must not count as none failed
      if (module.errors().length > 0) counts.failed++
      for (const test of module.children.allTests()) {
        const state = test.result().state
        if (state === "passed" || state === "failed") counts[state]++
        else counts.skipped++
      }
    }
    for (const module of modules) {
      if (module.state() === "failed") process.stdout.write(`failed in ${module.relativeModuleId}\n`)
    }
    process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`)
  }
}
