/** User and groups of a program. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as c from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { becomeNamespaceRoot } from "../../../src/steps/becomeNamespaceRoot.ts"
import { chdir } from "../../../src/steps/chdir.ts"
import { dropBoundingSet } from "../../../src/steps/dropBoundingSet.ts"
import { populateEnv } from "../../../src/steps/populateEnv.ts"
import { setKeepCaps } from "../../../src/steps/setKeepCaps.ts"
import { setupUser } from "../../../src/steps/setupUser.ts"
import { verifyWorkingDirectory } from "../../../src/steps/verifyWorkingDirectory.ts"
import { directory, exec, failing, finalize, look, mapIds, own, sleeping, status, stay, user } from "./setup.ts"

layer(Linux.layer)("credentials", (it) => {
  describe("the user", () => {
    const jail = (name: string, files: Readonly<Record<string, string>>) => {
      const root = path.join(directory, name)
      fs.mkdirSync(path.join(root, "etc"), { recursive: true })
      for (const [file, text] of Object.entries(files)) fs.writeFileSync(path.join(root, "etc", file), text)
      return own(
        "jail",
        Effect.andThen(sys.chroot({ path: root }), sys.chdir({ path: "/" }))
      )
    }
    const become = [populateEnv, chdir, dropBoundingSet, setKeepCaps, setupUser, verifyWorkingDirectory, stay]

    it.effect("is looked up in the container's files", () =>
      look({
        steps: [
          jail("named", { passwd: "bob:x:1234:55::/home/bob:/bin/sh\n", group: "g:x:77:bob\nh:x:88:bob,eve\n" }),
          ...become
        ],
        given: { process: { user: { _tag: "Named", spec: "bob", additionalGids: [99] } } }
      }, (pid) => {
        const { Gid, Groups, Uid } = status(pid)
        assert.deepStrictEqual({ Gid, Groups, Uid }, {
          Uid: "1234 1234 1234 1234",
          Gid: "55 55 55 55",
          Groups: "77 88 99"
        })
      }))

    it.effect("is not looked up in a fifo, and nobody waits for it", () =>
      Effect.gen(function*() {
        const root = jail("fifo", {})
        const makeFifo = own(
          "fifo",
          sys.mknodat({ dirfd: c.AT.FDCWD, path: "/etc/passwd", mode: c.S.IFIFO | 0o644, major: 0, minor: 0 })
        )
        const error = yield* failing({
          steps: [root, makeFifo, ...become],
          given: { process: { user: { _tag: "Named", spec: "bob", additionalGids: [] } } }
        })
        assert.include(error.message, "the container's /etc/passwd: it is not a regular file")
      }))

    it.effect("gets the pipes of stdio", () =>
      Effect.gen(function*() {
        const [readEnd, writeEnd] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
        const redirect = own("redirect", sys.dup3({ oldfd: writeEnd, newfd: 1, flags: 0 }))
        yield* look({
          steps: [redirect, ...finalize, exec],
          given: { process: { ...sleeping, user: user(1000, 1000) } }
        }, (pid) => assert.strictEqual(fs.statSync(`/proc/${pid}/fd/1`).uid, 1000))
        yield* sys.close({ fd: readEnd })
        yield* sys.close({ fd: writeEnd })
      }))

    it.effect("that is not mapped is named", () =>
      Effect.gen(function*() {
        const options = {
          flags: c.CLONE.NEWUSER,
          prepare: mapIds,
          steps: [becomeNamespaceRoot, populateEnv, chdir, dropBoundingSet, setKeepCaps, setupUser]
        }
        const namespaces = [{ type: "user" }] as const
        const run = (uid: number, gid: number) =>
          failing({ ...options, given: { container: { namespaces }, process: { user: user(uid, gid) } } })
        assert.include((yield* run(70_000, 0)).message, "can't change to uid 70000: it is not mapped")
        assert.include((yield* run(0, 70_000)).message, "can't change to gid 70000: it is not mapped")
      }))

    it.effect("has no groups where the user namespace denies them", () =>
      Effect.gen(function*() {
        const deny = (pid: number) => {
          fs.writeFileSync(`/proc/${pid}/setgroups`, "deny")
          mapIds(pid)
        }
        const options = {
          flags: c.CLONE.NEWUSER,
          prepare: deny,
          steps: [becomeNamespaceRoot, populateEnv, chdir, dropBoundingSet, setKeepCaps, setupUser, stay]
        }
        const namespaces = [{ type: "user" }] as const
        yield* look(
          { ...options, given: { container: { namespaces }, process: { user: user(5, 6) } } },
          (pid) => assert.strictEqual(status(pid)["Uid"], "100005 100005 100005 100005")
        )
        const error = yield* failing({
          ...options,
          given: { container: { namespaces }, process: { user: user(5, 6, 7) } }
        })
        assert.strictEqual(error.reason, "GroupsDenied")
      }))
  })
})
