/** What the tests of OCI documents have in common. */
import * as Result from "effect/Result"
import { decodeOci } from "../../src/config/Config.ts"
import type { Container } from "../../src/config/Container.ts"

export const container = (text: string): Container => Result.getOrThrow(decodeOci(text, "/bundle"))
