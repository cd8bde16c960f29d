/**
 * Time namespaces: the offsets of the clocks. @see time_namespaces(7)
 */
import { CAP, capableIn } from "./Credentials.ts"
import { type Machine, refuse } from "./Machine.ts"
import type { OpenFile } from "./State.ts"

/** Seconds that a clock may reach: `KTIME_SEC_MAX`. */
const most = 9223372036n

const clocks: Readonly<Record<string, "monotonic" | "boottime">> = {
  monotonic: "monotonic",
  1: "monotonic",
  boottime: "boottime",
  7: "boottime"
}

/** One clock's offset. */
interface Offset {
  readonly seconds: bigint
  readonly nanoseconds: bigint
}

const render = (clock: string, { nanoseconds, seconds }: Offset): string =>
  `${clock.padEnd(10)} ${String(seconds).padStart(10)} ${String(nanoseconds).padStart(9)}\n`

/** The offsets in a text of the form of `timens_offsets`. */
const parse = (text: string): ReadonlyMap<string, Offset> =>
  new Map(
    text.trimEnd().split("\n").map((line) => {
      const [clock, seconds, nanoseconds] = line.split(/ +/) as [string, string, string]
      return [clock, { seconds: BigInt(seconds), nanoseconds: BigInt(nanoseconds) }]
    })
  )

/** One line that is written (`timens_offsets_write`); EINVAL. */
const parseLine = (line: string): readonly [string, Offset] => {
  const [, name, seconds, nanoseconds] = /^\s*(\S{1,9})\s*(-?\d+)\s+(\d+)/.exec(line) ?? refuse("EINVAL")
  const clock = clocks[name!] ?? refuse("EINVAL")
  const offset = { seconds: BigInt(seconds!), nanoseconds: BigInt(nanoseconds!) }
  return offset.nanoseconds >= 1_000_000_000n ? refuse("EINVAL") : [clock, offset]
}

/** A write to `/proc/<pid>/timens_offsets` (`proc_timens_set_offset`); returns the bytes that were taken. */
export const writeOffsets = (m: Machine, ns: number, text: string, opener: OpenFile["opener"]): number => {
  // two lines at most; the rest is not read
  const lines = text.replace(/\n$/, "").split("\n").slice(0, 2)
  const given = lines.map(parseLine)
  const time = m.namespace("time", ns)
  // EPERM: the opener lacks CAP_SYS_TIME in the namespace's owner
  if (!capableIn(m, opener.creds, opener.userNs, time.owner, CAP.SYS_TIME)) refuse("EPERM")
  const now = (m.facts.uptime + m.time) / 1_000_000_000n
  for (const [, { seconds }] of given) {
    // ERANGE: the clock would be before its beginning, or near its end
    if (seconds > most || seconds < -most || now + seconds < 0n || now + seconds > most / 2n) refuse("ERANGE")
  }
  // EACCES: once a process has been in it, the offsets are fixed
  if (time.fixed === true) refuse("EACCES")
  const offsets = new Map([...parse(time.offsets), ...given])
  m.namespaces.set(ns, { ...time, offsets: [...offsets].map(([clock, offset]) => render(clock, offset)).join("") })
  return lines.length === text.replace(/\n$/, "").split("\n").length ? text.length : lines.join("\n").length + 1
}

/** A process enters a time namespace (`timens_commit`). */
export const enterTime = (m: Machine, ns: number): void => {
  const time = m.namespace("time", ns)
  if (time.fixed !== true) m.namespaces.set(ns, { ...time, fixed: true })
}
