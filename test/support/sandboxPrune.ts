/** Removes what applications have left that had no time to do so themselves, and says of which sandboxes. */
import * as Effect from "effect/Effect"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"

const [stateRoot = ""] = process.argv.slice(2)
const pruned = await Effect.runPromise(Effect.provide(Runtime.prune({ stateRoot }), Linux.layer))
process.stdout.write(JSON.stringify(pruned.map(({ _tag, id }) => ({ _tag, id }))))
