/** The seed of all properties: whoever draws or runs them imports this. */
import fc from "fast-check"

// the same cases each time, so that what fails a test is a change; RUNFX_SEED draws others
fc.configureGlobal({ seed: Number(process.env["RUNFX_SEED"] ?? 1) })
