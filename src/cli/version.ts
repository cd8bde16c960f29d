/** The version of the package, as in `package.json`. */
import { readFileSync } from "node:fs"

/** Built into the bundle of the command, which has no file to read at its start. */
declare const RUNFX_VERSION: string | undefined

const ofPackage = (): string => JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version

/** The version of the package. */
export const version: string = typeof RUNFX_VERSION === "string" ? RUNFX_VERSION : ofPackage()
