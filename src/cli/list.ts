/** `runfx list`: all containers. */
import * as Effect from "effect/Effect"
import process from "node:process"
import * as Runtime from "../runtime/Runtime.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"

/** The options of `list`. */
export interface ListCommand extends GlobalOptions {
  readonly format: string
  readonly quiet?: boolean
}

const titles = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]

/** Columns as wide as their widest cell, two spaces apart. */
const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = titles.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()}\n`)
    .join("")
}

const row = (listed: Runtime.Listed): ReadonlyArray<string> => {
  if ("error" in listed) return [listed.id, "0", "broken", "", "", ""]
  const { id, state, status } = listed
  const pid = status === "stopped" || status === "creating" ? 0 : state.init?.pid ?? 0
  return [id, String(pid), status, state.bundle ?? "", state.created, String(state.owner)]
}

/** The fields of `runc list --format json`, for one container. */
const plain = (listed: Runtime.Listed): object => {
  if ("error" in listed) return { id: listed.id, status: "broken", error: listed.error.message }
  const { id, state, status } = listed
  const alive = status !== "stopped" && status !== "creating"
  return {
    id,
    pid: alive ? state.init?.pid ?? 0 : 0,
    status,
    bundle: state.bundle ?? "",
    rootfs: state.rootfs,
    created: state.created,
    annotations: state.container.annotations,
    owner: state.owner
  }
}

/** Prints them. One whose state can't be read is shown as broken, and why on standard error. */
export const list = ({ format, quiet, root }: ListCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const all = yield* Runtime.list(root ?? (yield* Runtime.stateRoot))
    if (quiet === true) process.stdout.write(all.map(({ id }) => `${id}\n`).join(""))
    else if (format === "json") process.stdout.write(`${JSON.stringify(all.map(plain), null, 2)}\n`)
    else process.stdout.write(table([titles, ...all.map(row)]))
    for (const listed of all) {
      if ("error" in listed) process.stderr.write(`runfx: ${listed.id}: ${listed.error.message}\n`)
    }
    return 0
  }))
