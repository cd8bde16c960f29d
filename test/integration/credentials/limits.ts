/** Limits, scheduling, and the working directory. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as nodeProcess from "node:process"
import * as Capabilities from "../../../src/config/capabilities.ts"
import * as c from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { becomeNamespaceRoot } from "../../../src/steps/becomeNamespaceRoot.ts"
import { chdir } from "../../../src/steps/chdir.ts"
import { dropBoundingSet } from "../../../src/steps/dropBoundingSet.ts"
import { applyRlimits } from "../../../src/steps/init/rlimits.ts"
import { populateEnv } from "../../../src/steps/populateEnv.ts"
import { setKeepCaps } from "../../../src/steps/setKeepCaps.ts"
import { setOomScoreAdj } from "../../../src/steps/setOomScoreAdj.ts"
import { setScheduling } from "../../../src/steps/setScheduling.ts"
import { setUmask } from "../../../src/steps/setUmask.ts"
import { setupRlimits } from "../../../src/steps/setupRlimits.ts"
import { setupUser } from "../../../src/steps/setupUser.ts"
import { verifyWorkingDirectory } from "../../../src/steps/verifyWorkingDirectory.ts"
import {
  directory,
  exec,
  failing,
  finalize,
  hostHas,
  limit,
  look,
  mapIds,
  own,
  sleeping,
  status,
  stay,
  user
} from "./setup.ts"

layer(Linux.layer)("credentials", (it) => {
  describe("limits and scheduling", () => {
    it.effect("are what the configuration says", () =>
      look({
        steps: [setOomScoreAdj, setScheduling, setUmask, setupRlimits, ...finalize, exec],
        given: {
          container: { personality: 8 },
          process: {
            ...sleeping,
            umask: 0o27,
            oomScoreAdj: 500,
            rlimits: [
              { resource: c.RLIMIT.NOFILE, soft: 100n, hard: 200n },
              { resource: c.RLIMIT.CORE, soft: 0n, hard: 0n }
            ],
            cpuAffinity: { final: [0] },
            scheduler: { policy: c.SCHED.BATCH, nice: 7, priority: 0, flags: 0, runtime: 0n, deadline: 0n, period: 0n },
            ioPriority: { class: c.IOPRIO_CLASS.IDLE, priority: 0 }
          }
        }
      }, (pid) => {
        assert.strictEqual(limit(pid, "Max open files"), "100 200")
        assert.strictEqual(limit(pid, "Max core file size"), "0 0")
        const { Cpus_allowed_list, Umask } = status(pid)
        assert.deepStrictEqual({ Cpus_allowed_list, Umask }, { Cpus_allowed_list: "0", Umask: "0027" })
        assert.strictEqual(fs.readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"), "500\n")
        assert.strictEqual(fs.readFileSync(`/proc/${pid}/personality`, "utf8"), "00000008\n")
        const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ")
        assert.strictEqual(stat[16], "7", "nice")
        assert.strictEqual(stat[38], String(c.SCHED.BATCH), "policy")
      }))

    it.effect("may allow fewer descriptors than Node has open", () =>
      look({
        steps: [setupRlimits, ...finalize, exec],
        given: { process: { ...sleeping, rlimits: [{ resource: c.RLIMIT.NOFILE, soft: 4n, hard: 5n }] } }
      }, (pid) => assert.strictEqual(limit(pid, "Max open files"), "4 5")))

    it.effect("an inherited affinity does not stay in a cpuset", () =>
      look({
        steps: [own("pin", sys.sched_setaffinity({ pid: 0, cpus: [0] })), setScheduling, ...finalize, exec],
        given: { process: sleeping, container: { cgroup: { devices: [], cpu: { cpus: "0-1" } } } }
      }, (pid) => {
        assert.strictEqual(status(pid)["Cpus_allowed_list"], status(nodeProcess.pid)["Cpus_allowed_list"])
      }))

    it.effect("a hard limit can't be raised without the right to", (context) =>
      Effect.gen(function*() {
        if (hostHas("SYS_RESOURCE")) return context.skip("this host has CAP_SYS_RESOURCE")
        const rlimits = [
          { resource: c.RLIMIT.CORE, soft: 1000n, hard: 1000n },
          { resource: c.RLIMIT.CORE, soft: 1000n, hard: 2000n }
        ]
        const error = yield* failing({ steps: [setupRlimits], given: { process: { rlimits } } })
        assert.strictEqual(error.reason, "RlimitError")
        assert.include(error.message, "can't set RLIMIT_CORE to soft 1000, hard 2000: EPERM")
        assert.include(error.failure?.advice, "CAP_SYS_RESOURCE")
      }))

    it.effect("the parent sets them from outside", () =>
      Effect.gen(function*() {
        yield* look({ steps: [...finalize, exec], given: { process: sleeping } }, (pid) =>
          Effect.map(
            applyRlimits(pid, [{ resource: c.RLIMIT.CORE, soft: 1000n, hard: 2000n }]),
            () => assert.strictEqual(limit(pid, "Max core file size"), "1000 2000")
          ))
      }))

    it.effect("the out-of-memory score is set in a user namespace, before its root is", () =>
      Effect.gen(function*() {
        const given = {
          process: { ...sleeping, oomScoreAdj: 300 },
          container: { namespaces: [{ type: "user" }] }
        } as const
        const options = { given, flags: c.CLONE.NEWUSER, prepare: mapIds }
        yield* look({ ...options, steps: [setOomScoreAdj, becomeNamespaceRoot, stay] }, (pid) => {
          assert.strictEqual(fs.readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"), "300\n")
        })
        const late = yield* failing({ ...options, steps: [becomeNamespaceRoot, setOomScoreAdj, stay] })
        assert.include(late.message, "EACCES")
      }))
  })

  describe("the working directory", () => {
    it.effect("of another user is entered by root before the user changes", () => {
      const cwd = path.join(directory, "private")
      fs.mkdirSync(cwd, { mode: 0o700 })
      return look({
        steps: [...finalize, exec],
        given: { process: { ...sleeping, cwd, user: user(1000, 1000) } }
      }, (pid) => assert.strictEqual(fs.readlinkSync(`/proc/${pid}/cwd`), cwd))
    })

    it.effect("that root may not enter is entered by the user", () => {
      const cwd = path.join(directory, "home")
      fs.mkdirSync(cwd, { mode: 0o700 })
      fs.chownSync(cwd, 1000, 1000)
      const names: ReadonlyArray<Capabilities.Name> = ["SETUID", "SETGID"]
      const bits = Capabilities.toBits(names.map((name) => Capabilities.numbers[name]))
      const weaken = own("weaken", sys.capset({ effective: bits, permitted: bits, inheritable: 0n }))
      return look({
        steps: [weaken, ...finalize, exec],
        given: { process: { ...sleeping, cwd, user: user(1000, 1000) } }
      }, (pid) => assert.strictEqual(fs.readlinkSync(`/proc/${pid}/cwd`), cwd))
    })

    it.effect("outside of the root is refused (CVE-2024-21626)", () =>
      Effect.gen(function*() {
        const root = path.join(directory, "jail")
        fs.mkdirSync(path.join(root, "etc"), { recursive: true })
        const leak = own(
          "leak",
          Effect.gen(function*() {
            const fd = yield* sys.openat({ dirfd: c.AT.FDCWD, path: "/etc", flags: c.O.PATH, mode: 0 })
            yield* sys.chroot({ path: root })
            yield* sys.fchdir({ fd })
          })
        )
        const error = yield* failing({
          steps: [populateEnv, leak, chdir, dropBoundingSet, setKeepCaps, setupUser, verifyWorkingDirectory],
          given: { process: { ...sleeping, cwd: "." } }
        })
        assert.strictEqual(error.reason, "OutsideOfRoot")
        assert.include(error.message, "the working directory . is outside of the container root: (unreachable)/etc")
      }))

    it.effect("that was removed is refused", () =>
      Effect.gen(function*() {
        const cwd = path.join(directory, "gone")
        fs.mkdirSync(cwd)
        const remove = own("remove", sys.unlinkat({ dirfd: c.AT.FDCWD, path: cwd, flags: c.AT.REMOVEDIR }))
        const error = yield* failing({
          steps: [populateEnv, chdir, remove, dropBoundingSet, setKeepCaps, setupUser, verifyWorkingDirectory],
          given: { process: { ...sleeping, cwd } }
        })
        assert.strictEqual(error.reason, "OutsideOfRoot")
      }))
  })
})
