/** `runfx list`: prints all containers. */
import * as Effect from "effect/Effect"
import { visible, visibleJson, visibleLine } from "../engine/visible.ts"
import { stateRoot as defaultRoot } from "../runtime/caller.ts"
import { list as listContainers } from "../runtime/list.ts"
import type * as Runtime from "../runtime/Runtime.ts"
import { print, printError } from "../runtime/streams.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"

/** The options of `list`. */
interface ListCommand extends GlobalOptions {
  readonly format: string
  readonly quiet?: boolean
}

const titles = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]

/** Columns as wide as their widest cell, two spaces apart. */
const table = (texts: ReadonlyArray<ReadonlyArray<string>>): string => {
  // a bundle's path may have any characters
  const rows = texts.map((cells) => cells.map(visibleLine))
  const widths = titles.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()}\n`)
    .join("")
}

const row = (listed: Runtime.Listed): ReadonlyArray<string> => {
  if ("error" in listed) return [listed.id, "0", "broken", "", "", ""]
  const { id, pid, state, status } = listed
  return [id, String(pid), status, state.bundle ?? "", state.created, String(state.owner)]
}

/** The fields of `runc list --format json`, for one container. */
const plain = (listed: Runtime.Listed): object => {
  if ("error" in listed) return { id: listed.id, status: "broken", error: listed.error.message }
  const { id, pid, state, status } = listed
  return {
    id,
    pid,
    status,
    bundle: state.bundle ?? "",
    rootfs: state.rootfs,
    created: state.created,
    annotations: state.container.annotations,
    owner: state.owner
  }
}

/** Prints them. A container whose state can't be read is shown as broken, with the reason on standard error. */
export const list = ({ format, quiet, root }: ListCommand): Promise<void> =>
  onLinux(
    Effect.gen(function*() {
      const all = yield* listContainers(root ?? (yield* defaultRoot))
      if (quiet === true) yield* print(all.map(({ id }) => `${visibleLine(id)}\n`).join(""))
      else if (format === "json") yield* print(`${visibleJson(JSON.stringify(all.map(plain), null, 2))}\n`)
      else yield* print(table([titles, ...all.map(row)]))
      for (const listed of all) {
        if ("error" in listed) yield* printError(visible(`runfx: ${listed.id}: ${listed.error.message}\n`))
      }
      return 0
    }),
    { looks: true }
  )
