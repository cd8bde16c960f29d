/**
 * A plan in a few lines: how many calls, what is made and removed, what stays.
 */
import { rowOf } from "../native/calls.ts"
import { MS, O } from "../native/constants.ts"
import type { Plan, PlannedCall } from "./Plan.ts"

const creates = ({ args, name }: PlannedCall): boolean =>
  name.startsWith("openat") && (Number(args["flags"]) & O.CREAT) !== 0

/** Whether a call changes nothing outside of its process. */
export const onlyLooks = (call: PlannedCall): boolean => rowOf(call.name).looks && !creates(call)

const pathOf = ({ args, names }: PlannedCall): string => {
  const directory = names?.["dirfd"]?.slice(1, -1)
  return directory === undefined ? String(args["path"]) : `${directory}/${String(args["path"])}`
}

/** Flags with which mount(2) changes an existing mount instead of making one. */
const noMount = MS.REMOUNT | MS.SHARED | MS.PRIVATE | MS.SLAVE | MS.UNBINDABLE

/** What a call makes; `undefined` if it makes nothing that lasts. */
const madeBy = (call: PlannedCall): string | undefined => {
  const { args, name } = call
  switch (name) {
    case "mkdirat":
      return pathOf(call).startsWith("/sys/fs/cgroup/") ? "cgroup" : "directory"
    case "openat":
    case "openat2":
      return creates(call) ? "file" : undefined
    case "mknodat":
      return "device"
    case "symlinkat":
      return "link"
    case "move_mount":
      return "mount"
    case "mount":
      return (Number(args["flags"]) & noMount) === 0 ? "mount" : undefined
    case "clone":
      return "process"
    case "rtnetlink": {
      const tag = (args["request"] as { readonly _tag?: string } | undefined)?._tag
      return tag === "VethAdd"
        ? "pair of network interfaces"
        : tag === "BridgeAdd"
        ? "bridge"
        : tag === "AddressAdd"
        ? "address"
        : tag === "RouteAdd"
        ? "route"
        : undefined
    }
    default:
      return undefined
  }
}

const removedBy = (call: PlannedCall): string | undefined => {
  if (call.name === "umount2") return "mount"
  if (call.name === "unlinkat") {
    return pathOf(call).startsWith("/sys/fs/cgroup/")
      ? "cgroup"
      : Number(call.args["flags"]) === 0
      ? "file"
      : "directory"
  }
  if (call.name !== "rtnetlink") return undefined
  return (call.args["request"] as { readonly _tag?: string } | undefined)?._tag === "LinkDelete"
    ? "network interface"
    : undefined
}

/** How many there are of each, the most frequent first. */
const count = (words: ReadonlyArray<string>): ReadonlyArray<readonly [string, number]> => {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
}

const plural = (word: string): string =>
  word === "pair of network interfaces"
    ? "pairs of network interfaces"
    : /(?:s|ss|ch)$/.test(word)
    ? `${word}es`
    : word.replace(/y$/, "ie") + "s"

const number = (word: string, n: number): string => `${n} ${n === 1 ? word : plural(word)}`

const list = (words: ReadonlyArray<string>): string =>
  words.length === 0 ? "nothing" : count(words).map(([word, n]) => number(word, n)).join(", ")

const done = (calls: ReadonlyArray<PlannedCall>): ReadonlyArray<PlannedCall> =>
  calls.filter(({ outcome }) => outcome._tag !== "Failed")

/** What calls make that lasts, in words; `nothing` if they make nothing. */
export const made = (calls: ReadonlyArray<PlannedCall>): string =>
  list(done(calls).flatMap((call) => madeBy(call) ?? []))

/** What calls remove, in words; `nothing` if they remove nothing. */
export const removed = (calls: ReadonlyArray<PlannedCall>): string =>
  list(done(calls).flatMap((call) => removedBy(call) ?? []))

/** A number of calls in words. */
export const callCount = (n: number): string => number("call", n)

/** How many calls, by which processes, and how many of them only look. */
export const total = (rows: Plan["rows"]): string => {
  const calls = rows.flatMap((row) => row.calls.map((call) => ({ side: row.side, call })))
  const sides = count(calls.map(({ side }) => side)).map(([side, n]) => `${n} by ${side}`)
  const looks = calls.filter(({ call }) => onlyLooks(call)).length
  return `${callCount(calls.length)}${sides.length > 1 ? ` (${sides.join(", ")})` : ""}, of which ${looks} only look`
}

/** The summary as lines of text. */
export const summary = ({ containers = [], fails, rows, stays, title }: Plan): ReadonlyArray<string> => {
  const calls = rows.flatMap((row) => row.calls)
  return [
    `Summary of ${title}:`,
    `  ${total(rows)}`,
    `  made: ${made(calls)}`,
    `  removed: ${removed(calls)}`,
    ...containers.map(({ id, what, why }) => `  container ${id}: ${what}: ${why}`),
    ...stays === undefined
      ? []
      : stays.length === 0
      ? [`  at the end ${fails === undefined ? "" : "of what was begun "}nothing stays on the machine`]
      : ["  at the end this stays on the machine:", ...stays.map((line) => `    ${line}`)]
  ]
}
