/** What engines have written, for a root of busybox and a host that does not have what was on theirs. */
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import type { Bench, Spec } from "./differential.ts"

const directory = fileURLToPath(new URL("../fixtures/engines/", import.meta.url))

/** A document, by the name of its file. */
export interface Document {
  readonly name: string
  readonly text: string
}

const all: ReadonlyArray<Document> = fs.readdirSync(directory).toSorted().map((file) => ({
  name: file.replace(/\.json$/, ""),
  text: fs.readFileSync(path.join(directory, file), "utf8")
}))

const isProcess = ({ name }: Document): boolean => name.endsWith(".process")

/** The configurations of containers. */
export const configurations = all.filter((one) => !isProcess(one))

/** The processes that were handed to `exec`. */
export const processes = all.filter(isProcess)

/** Where what was mounted is a directory; all else was a file. */
const directories: ReadonlySet<string> = new Set(["/dev/shm", "/data"])

/** Something to bind in place of what the engine had made. */
const standIn = (bench: Bench, destination: string): string => {
  const made = path.join(bench.directory, "engine", destination.replaceAll("/", "_"))
  fs.mkdirSync(directories.has(destination) ? made : path.dirname(made), { recursive: true })
  if (!directories.has(destination)) fs.writeFileSync(made, "")
  return made
}

/**
 * The configuration for this machine: root and cgroup are the bench's, what is bound and joined is there, no hook is
 * called, and there is no terminal. The program is the one of `spec`. All else is as it was written.
 */
export const adapt = (bench: Bench, { text }: Document) => (spec: Spec): void => {
  const { args } = spec["process"]
  const { cgroupsPath } = spec["linux"]
  const own: Spec = JSON.parse(text)
  delete own["hooks"]
  own["root"].path = path.join(bench.directory, "rootfs")
  own["process"].args = args
  own["process"].terminal = false
  own["process"].cwd = fs.existsSync(path.join(bench.directory, "rootfs", own["process"].cwd))
    ? own["process"].cwd
    : "/"
  own["linux"].cgroupsPath = cgroupsPath
  for (const namespace of own["linux"].namespaces) {
    if (namespace.path !== undefined && !fs.existsSync(namespace.path)) delete namespace.path
  }
  for (const mount of own["mounts"]) {
    const bind = (mount.options ?? []).some((option: string) => option === "bind" || option === "rbind")
    if (bind && !fs.existsSync(mount.source)) mount.source = standIn(bench, mount.destination)
  }
  for (const key of Object.keys(spec)) delete spec[key]
  Object.assign(spec, own)
}
