/** Errors without traces, for tests that make thousands of them. */
import { afterAll, beforeAll } from "@effect/vitest"

/** Errors that the tests of this file make have no trace: taking one costs more than what is tested. */
export const withoutTraces = (): void => {
  const usual = Error.stackTraceLimit
  beforeAll(() => {
    Error.stackTraceLimit = 0
  })
  afterAll(() => {
    Error.stackTraceLimit = usual
  })
}
