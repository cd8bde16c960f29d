/** Writes schema/plan.json, the JSON Schema of a plan, from dist/ (npm run build). */
import { writeFileSync } from "node:fs"
import { jsonSchema } from "runfx/engine/Plan"

writeFileSync(new URL("../schema/plan.json", import.meta.url), `${JSON.stringify(jsonSchema(), null, 2)}\n`)
