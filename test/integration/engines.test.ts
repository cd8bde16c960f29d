/**
 * What podman, docker, containerd and the peers' `spec` write, under runfx and runc: decoded, and run on a root of busybox.
 * A program must find under runfx what it finds under runc.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import process from "node:process"
import { numbers } from "../../src/config/capabilities.ts"
import { ask, type Bench, differences, type Facts, makeBench, onPurpose, type Unlike } from "../support/differential.ts"
import { adapt, configurations } from "../support/engines.ts"

const missing = ["runc", "busybox"].find((name) => spawnSync(name, ["--help"]).error !== undefined) ??
  (fs.existsSync("/sys/fs/cgroup/memory") ? undefined : "a host with cgroup version 1")
if (missing !== undefined) process.stdout.write(`the engines' configurations are not run: no ${missing}\n`)

const inUserNamespace: ReadonlyArray<Unlike> = [{
  facts: /^(mount|dev) \/dev\/(null|zero|full|random|urandom|tty|mqueue):/,
  why: "nodes of its own, made from outside of the user namespace; runc binds the host's"
}]
const masks: Unlike = {
  facts: /^mount \/sys\/\S+: runfx \/ tmpfs ro,nosuid,nodev,noexec,relatime; peers \/ tmpfs ro,relatime$/,
  why: "what masks a directory is nosuid, nodev and noexec, too"
}
const noProcess: ReadonlyArray<Unlike> = [{
  facts: /./,
  why: "podman 4 writes a limit of 0 for none; that is a limit since runtime-spec 1.3 and runc 1.4"
}]

const bounding = BigInt(`0x${/^CapBnd:\s+(\w+)$/m.exec(fs.readFileSync("/proc/self/status", "utf8"))![1]}`)
const lacksCapability: ReadonlyArray<Unlike> = (bounding >> BigInt(numbers.SYS_RESOURCE) & 1n) === 1n ? [] : [{
  facts: /./,
  why: "runc 1.1 does not start what asks for a capability that its caller lacks; the specification wants a warning"
}]

const unlike: Readonly<Record<string, ReadonlyArray<Unlike>>> = {
  "docker-privileged": lacksCapability,
  "podman-userns": inUserNamespace,
  "runc-spec-rootless": inUserNamespace,
  "podman-pids0": noProcess,
  "podman-pidsneg": noProcess
}

describe.skipIf(missing !== undefined)("a configuration of an engine shows the program what runc shows it", () => {
  let bench: Bench
  const table: Array<readonly [name: string, code: string, facts: number]> = []
  beforeAll(() => {
    bench = makeBench()
  })
  afterAll(() => {
    bench?.remove()
    const lines = table.map(([name, code, facts]) => `  ${name.padEnd(28)} exit code ${code}, ${facts} facts\n`)
    process.stdout.write(`engines: ${table.length} configurations beside runc\n${lines.join("")}`)
  })

  for (const document of configurations) {
    it(document.name, () => {
      const change = adapt(bench, document)
      const [runfx, runc] = (["runfx", "runc"] as const).map((one): Facts => ask(one, bench, { change }))
      const found = differences(runfx!, [runc!])
      const allowed = [...onPurpose, masks, ...unlike[document.name] ?? []]
      assert.deepStrictEqual(found.filter((line) => !allowed.some(({ facts }) => facts.test(line))), [])
      table.push([document.name, runfx!["exit code"]!, Object.keys(runfx!).length])
    })
  }
})
