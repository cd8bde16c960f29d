/** For `bench.mjs`: decodes the config.json of a bundle, and writes what `warm.ts` takes beside it. */
import * as Result from "effect/Result"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import * as v8 from "node:v8"
import * as Config from "../src/config/Config.ts"

const [bundle = "."] = process.argv.slice(2)
const { container } = Result.getOrThrow(Config.decode(readFileSync(join(bundle, "config.json"), "utf8"), bundle))
writeFileSync(join(bundle, "container"), v8.serialize(container))
