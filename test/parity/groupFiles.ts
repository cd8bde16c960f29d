/** The files of a new control group, with their modes, in each hierarchy of this machine; and limits of huge pages. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs"
import { O } from "../../src/native/constants.ts"
import { markOf } from "../support/mark.ts"
import type { Scenario } from "../support/parityLines.ts"
import { line, mkdir, open, readFile, rename, rmdir, stat, write } from "../support/vocabulary.ts"

const name = markOf("runfx-parity-files-")
const top = "/sys/fs/cgroup"
const isOneTree = existsSync(`${top}/cgroup.controllers`)

/** The directories of the hierarchies, without links from one name to another. */
const hierarchies = (): ReadonlyArray<string> =>
  isOneTree
    ? [top]
    : existsSync(top)
    ? readdirSync(top, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) =>
      `${top}/${entry.name}`
    )
    : []

/** No file that a vendor has added to its kernel: no other kernel has it, and nothing can say of which kernels are its. */
const ofLinux = /^(?!memory\.shown_ram_in_bytes$)/

/** The names that a new group has here: all of them are looked at, and the list of them, too. */
const namesIn = (group: string): ReadonlyArray<string> => {
  mkdirSync(group)
  try {
    return readdirSync(group).filter((file) => ofLinux.test(file))
  } finally {
    rmdirSync(group)
  }
}

const filesOf = (hierarchy: string): Scenario => {
  const group = `${hierarchy}/${name}`
  return [
    mkdir(group),
    open(group, O.RDONLY, "d"),
    line("getdents64", { fd: "$d" }, { see: "*.name", sorted: true, only: ofLinux }),
    ...namesIn(group).map((file) => stat(`${group}/${file}`, "mode")),
    rmdir(group)
  ]
}

/** What a group counts in which nothing has run yet. */
const counts = (hierarchy: string): Scenario => {
  const group = `${hierarchy}/${name}`
  const counting = /^(?:cpu\.stat|pids\.(?:current|peak|events)|blkio\..*io_serv.*)$/
  return [
    mkdir(group),
    ...namesIn(group).filter((file) => counting.test(file)).flatMap((file) => readFile(`${group}/${file}`)),
    rmdir(group)
  ]
}

const amounts =
  "max|0|1|2097152|3000000|-1|5G|1m|0x400000|9223372036854771712|99999999999999999999|x|| 4194304|4194304 " +
  "|2147483648|max\n|MAX"

/** Limits are of whole pages, however large these are. */
const hugePages = (hierarchy: string): Scenario => {
  const group = `${hierarchy}/${name}`
  return [
    mkdir(group),
    ...["2MB.max", "2MB.rsvd.max", "1GB.max", "1GB.rsvd.max"].flatMap((file) => [
      ...readFile(`${group}/hugetlb.${file}`),
      ...amounts.split("|").flatMap((text) => [
        ...write(`${group}/hugetlb.${file}`, text),
        ...readFile(`${group}/hugetlb.${file}`)
      ])
    ]),
    ...["2MB.current", "2MB.events", "2MB.events.local", "2MB.numa_stat", "1GB.rsvd.current"].flatMap((file) => [
      ...readFile(`${group}/hugetlb.${file}`),
      ...write(`${group}/hugetlb.${file}`, "0")
    ]),
    rmdir(group)
  ]
}

/** What is no new name for a group; only version 1 would give one. */
const renames = (hierarchy: string): Scenario => {
  const group = `${hierarchy}/${name}`
  return [
    mkdir(group),
    ...["/a", "/a/b", "/d"].map((below) => mkdir(`${group}${below}`)),
    rename(`${group}/missing`, `${group}/e`),
    rename(`${group}/a`, `${group}/d`),
    rename(`${group}/a`, `${group}/d/a`),
    rename(`${group}/a/b`, `${group}/b`),
    rename(`${group}/a`, `${group}/a`),
    rename(`${group}/a`, `${group}/x`, 1),
    rename(`${group}/a`, `${group}/d`, 2),
    rename(`${group}/cgroup.procs`, `${group}/y`),
    rename(`${group}/cgroup.procs`, `${group}/cgroup.threads`),
    rename(`${group}/a`, `${group}/cgroup.procs`),
    rename(`${group}/a`, "/mnt/a"),
    ...["/a/b", "/a", "/d", ""].map((below) => rmdir(`${group}${below}`))
  ]
}

const huge = [top, `${top}/unified`].find((path) =>
  existsSync(`${path}/cgroup.subtree_control`) &&
  readFileSync(`${path}/cgroup.subtree_control`, "utf8").includes("hugetlb") &&
  existsSync("/sys/kernel/mm/hugepages/hugepages-1048576kB")
)

export const groupFiles: Readonly<Record<string, Scenario>> = {
  ...Object.fromEntries(hierarchies().map((path) => [`a new group in ${path} has its files`, filesOf(path)])),
  ...Object.fromEntries(hierarchies().map((path) => [`a new group in ${path} has counted nothing`, counts(path)])),
  ...Object.fromEntries(hierarchies().map((path) => [`a group in ${path} is not moved`, renames(path)])),
  ...huge === undefined ? {} : { "limits of huge pages are of whole ones": hugePages(huge) }
}
