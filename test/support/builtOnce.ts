/** What takes long to build, and several files of a run use. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { builtIn } from "./leftovers.mjs"

/** A directory of a name: made by the first file of the run that asks for it, and removed at the end of the run. */
export const builtOnce = (name: string, build: (directory: string) => void): string => {
  const place = path.join(builtIn(), name)
  if (fs.existsSync(place)) return place
  const own = fs.mkdtempSync(path.join(os.tmpdir(), `runfx-${name}-`))
  fs.chmodSync(own, 0o755)
  try {
    build(own)
    fs.mkdirSync(builtIn(), { recursive: true })
    fs.renameSync(own, place)
  } catch (error) {
    fs.rmSync(own, { recursive: true })
    // unless another file of the run was first
    if (!fs.existsSync(place)) throw error
  }
  return place
}
