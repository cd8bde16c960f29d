/** Filters of devices. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as c from "../../../src/native/constants.ts"
import { compileDeviceFilter, type Rule } from "../../../src/native/deviceFilter.ts"
import { sys } from "../../../src/native/Kernel.ts"
import { inChild } from "../../support/child.ts"
import { AT_FDCWD, below, live, outcome } from "./setup.ts"

describe("device filter", () => {
  const unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((root) =>
    fs.existsSync(`${root}/cgroup.controllers`)
  )
  const rule = (
    allow: boolean,
    type: Rule["type"],
    major: number | null,
    minor: number | null,
    access: string
  ): Rule => ({
    allow,
    type,
    major,
    minor,
    access
  })

  live("on the live kernel", (it) => {
    it.effect.skipIf(unified === undefined)(
      "decides what a process in the cgroup may open",
      () =>
        Effect.acquireUseRelease(
          Effect.sync(() => fs.mkdtempSync(`${unified}/runfx-filters-`)),
          (group) =>
            Effect.gen(function*() {
              const rules = [
                rule(false, "a", null, null, "rwm"),
                rule(true, "c", 1, 3, "rwm"), // null
                rule(true, "c", 1, 5, "r"), // zero
                rule(true, "c", null, null, "m")
              ]
              const programFd = yield* sys.bpf_prog_load({ instructions: compileDeviceFilter(rules), license: "GPL" })
              const groupFd = yield* sys.openat({
                dirfd: AT_FDCWD,
                path: group,
                flags: c.O.DIRECTORY | c.O.CLOEXEC,
                mode: 0
              })
              yield* sys.bpf_prog_attach({ targetFd: groupFd, programFd, flags: 0 })
              const open = (device: string, flags: number) =>
                outcome(sys.openat({ dirfd: AT_FDCWD, path: `/dev/${device}`, flags: flags | c.O.CLOEXEC, mode: 0 }))
              const node = (name: string, type: number) =>
                outcome(sys.mknodat({ dirfd: AT_FDCWD, path: below(name), mode: type | 0o600, major: 1, minor: 7 }))
              const codes = yield* inChild(
                0,
                Effect.gen(function*() {
                  const fd = yield* sys.openat({
                    dirfd: AT_FDCWD,
                    path: `${group}/cgroup.procs`,
                    flags: c.O.WRONLY | c.O.CLOEXEC,
                    mode: 0
                  })
                  yield* sys.write({ fd, data: Buffer.from("0") })
                  return [
                    yield* open("null", c.O.RDWR),
                    yield* open("zero", c.O.RDONLY),
                    yield* open("zero", c.O.RDWR),
                    yield* open("full", c.O.RDONLY),
                    yield* node("char", c.S.IFCHR),
                    yield* node("block", c.S.IFBLK)
                  ]
                })
              )
              yield* sys.close({ fd: programFd })
              yield* sys.close({ fd: groupFd })
              assert.deepStrictEqual(codes, ["ok", "ok", "EPERM", "EPERM", "ok", "EPERM"])
              assert.strictEqual(yield* open("full", c.O.RDONLY), "ok")
            }),
          (group) => Effect.sync(() => fs.rmdirSync(group))
        )
    )

    it.effect("passes the kernel's verifier, short or long", () =>
      Effect.gen(function*() {
        const long = Array.from({ length: 500 }, (_, index) =>
          rule(
            index % 3 > 0,
            index % 2 === 0 ? "c" : "a",
            index % 5 === 0 ? null : index,
            index % 7 === 0 ? null : index,
            ["r", "w", "rw", "m", "rwm", "wm"][index % 6]!
          ))
        for (const rules of [[], [rule(true, "a", null, null, "rwm")], [rule(true, "c", 4095, 1048575, "")], long]) {
          const fd = yield* sys.bpf_prog_load({ instructions: compileDeviceFilter(rules), license: "GPL" })
          yield* sys.close({ fd })
        }
      }))
  })
})
