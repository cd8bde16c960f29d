/** Namespaces that a program is put into. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as nodeProcess from "node:process"
import * as c from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { becomeNamespaceRoot } from "../../../src/steps/becomeNamespaceRoot.ts"
import { forkIntoNamespaces } from "../../../src/steps/forkIntoNamespaces.ts"
import { joinNamespaces } from "../../../src/steps/joinNamespaces.ts"
import { unshareNamespaces } from "../../../src/steps/unshareNamespaces.ts"
import { eventually } from "../../support/until.ts"
import { descriptors, failing, killed, look, mapIds, namespace, own, status, stay } from "./setup.ts"

layer(Linux.layer)("credentials", (it) => {
  describe("namespaces", () => {
    it.effect("of users: the process becomes root of a new one, without the caller's groups", () =>
      look({
        flags: c.CLONE.NEWUSER,
        prepare: mapIds,
        given: { container: { namespaces: [{ type: "user" }] } },
        steps: [own("groups", Effect.ignore(sys.setgroups({ groups: [5] }))), becomeNamespaceRoot, stay]
      }, (pid) => {
        const { CapEff, Gid, Groups, Uid } = status(pid)
        assert.deepStrictEqual({ Gid, Groups, Uid }, {
          Uid: "100000 100000 100000 100000",
          Gid: "100000 100000 100000 100000",
          Groups: ""
        })
        assert.strictEqual(BigInt(`0x${CapEff}`) & 1n, 1n, "root of the namespace has its capabilities")
      }))

    it.effect("of a running process are joined, with the user namespace last", () =>
      Effect.gen(function*() {
        const fork = yield* Fork
        const flags = c.CLONE.NEWUSER | c.CLONE.NEWNS | c.CLONE.NEWUTS | c.CLONE.NEWNET | c.CLONE.NEWPID
        const holder = yield* fork.spawn(flags, sys.nanosleep({ nanoseconds: 60_000_000_000n }))
        mapIds(holder)
        const types = ["user", "mnt", "uts", "net", "pid"] as const
        const joins = types.map((type) => ({ type, path: `/proc/${holder}/ns/${type}` }))
        yield* look(
          { given: { joins }, steps: [joinNamespaces, forkIntoNamespaces, becomeNamespaceRoot, stay] },
          (pid) => {
            for (const type of types) assert.strictEqual(namespace(pid, type), namespace(holder, type), type)
            const { Gid, Groups, NSpid, Uid } = status(pid)
            assert.deepStrictEqual({ Gid, Groups, Uid }, {
              Uid: "100000 100000 100000 100000",
              Gid: "100000 100000 100000 100000",
              Groups: ""
            })
            assert.match(NSpid!, /^\d+ \d+$/)
            assert.isFalse(descriptors(pid).some((fd) => fs.readlinkSync(`/proc/${pid}/fd/${fd}`).includes("ns:[")))
          }
        ).pipe(Effect.ensuring(Effect.ignore(killed(holder))))
      }))

    it.effect("that only root of a user namespace may join are joined after it", () =>
      Effect.gen(function*() {
        const fork = yield* Fork
        const unprivileged = Effect.gen(function*() {
          yield* sys.setgroups({ groups: [] })
          yield* sys.setresgid({ rgid: 1000, egid: 1000, sgid: 1000 })
          yield* sys.setresuid({ ruid: 1000, euid: 1000, suid: 1000 })
        })
        const holder = yield* fork.spawn(
          0,
          Effect.gen(function*() {
            yield* unprivileged
            // else its namespaces could be opened by root only
            yield* sys.prctl({ option: c.PR.SET_DUMPABLE, arg2: 1, arg3: 0, arg4: 0, arg5: 0 })
            yield* sys.unshare({ flags: c.CLONE.NEWUSER | c.CLONE.NEWNET })
            yield* sys.prctl({ option: c.PR.SET_DUMPABLE, arg2: 1, arg3: 0, arg4: 0, arg5: 0 })
            yield* sys.nanosleep({ nanoseconds: 60_000_000_000n })
          })
        )
        yield* Effect.gen(function*() {
          yield* eventually(() => namespace(holder, "net") !== namespace("self", "net"))
          mapIds(holder)
          const joins = (["net", "user"] as const).map((type) => ({ type, path: `/proc/${holder}/ns/${type}` }))
          yield* look({ given: { joins }, steps: [own("unprivileged", unprivileged), joinNamespaces, stay] }, (pid) => {
            assert.strictEqual(namespace(pid, "net"), namespace(holder, "net"))
          })
          const alone = yield* failing({
            given: { joins: joins.slice(0, 1) },
            steps: [own("unprivileged", unprivileged), joinNamespaces]
          })
          assert.include(alone.message, "can't join the net namespace")
          assert.include(alone.failure?.advice, "join that user namespace too")
        }).pipe(Effect.ensuring(Effect.ignore(killed(holder))))
      }))

    it.effect("of another type, or gone, are named", () =>
      Effect.gen(function*() {
        const join = (type: "net" | "user", target: string) =>
          failing({ given: { joins: [{ type, path: target }] }, steps: [joinNamespaces] })
        const wrong = yield* join("net", "/proc/self/ns/uts")
        assert.include(wrong.message, "can't join the net namespace /proc/self/ns/uts: EINVAL")
        const gone = yield* join("net", "/nowhere")
        assert.include(gone.message, "can't open the net namespace /nowhere: ENOENT")
        const same = yield* join("user", "/proc/self/ns/user")
        assert.include(same.failure?.advice, "must be another user namespace")
      }))

    it.effect("pid and time take effect by cloning once more, with the offsets set", () =>
      look({
        given: {
          unshare: c.CLONE.NEWPID | c.CLONE.NEWTIME | c.CLONE.NEWUTS | c.CLONE.NEWCGROUP,
          container: { timeOffsets: [{ clock: "boottime", seconds: 1000n, nanoseconds: 5 }] }
        },
        steps: [unshareNamespaces, forkIntoNamespaces, stay]
      }, (pid) => {
        assert.match(status(pid)["NSpid"]!, /^\d+ 1$/)
        assert.match(fs.readFileSync(`/proc/${pid}/timens_offsets`, "utf8"), /boottime\s+1000\s+5\n/)
        for (const type of ["pid", "time", "uts", "cgroup"]) {
          assert.notStrictEqual(namespace(pid, type), namespace("self", type), type)
        }
        assert.strictEqual(namespace(pid, "net"), namespace("self", "net"))
        assert.strictEqual(status(pid)["PPid"], String(nodeProcess.pid))
      }))
  })
})
