import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ModelKernel from "../../../src/model/ModelKernel.ts"
import { type Options, seed } from "../../../src/model/Seed.ts"
import { AT, CLONE, O } from "../../../src/native/constants.ts"
import { using, writeAll } from "../../../src/native/Files.ts"
import { type Kernel, sys } from "../../../src/native/Kernel.ts"
import { typeFor } from "../../../src/runtime/Runtime.ts"
import { authority, rulesHost } from "../../../src/steps/caller/authority.ts"
import { defaultStateRoot } from "../../../src/steps/caller/stateRoot.ts"
import { mappingsOf, rangesOf, subordinateIds } from "../../../src/steps/caller/subordinateIds.ts"
import { containedRoot, nestedRoot, root, user } from "../../support/callers.ts"
import { container } from "../../support/steps.ts"

const on = <A, E>(host: Options, effect: Effect.Effect<A, E, Kernel>): A =>
  Effect.runSync(Effect.provide(effect, ModelKernel.make(seed(host)).layer))

/** Becomes root of a new user namespace, as `unshare -Ur` does. */
const unshareUser = (uid: number) =>
  Effect.gen(function*() {
    yield* sys.unshare({ flags: CLONE.NEWUSER })
    const put = (file: string, text: string) =>
      using(
        sys.openat({ dirfd: AT.FDCWD, path: `/proc/self/${file}`, flags: O.WRONLY, mode: 0 }),
        (fd) => writeAll(fd, Buffer.from(text))
      )
    yield* put("uid_map", `0 ${uid} 1`)
    yield* put("setgroups", "deny")
    yield* put("gid_map", `0 ${uid} 1`)
  })

describe("authority", () => {
  it("is what the capabilities say, not the uid", () => {
    assert.isTrue(rulesHost(on({}, authority)))
    assert.isFalse(rulesHost(on({ uid: 1000 }, authority)))
    assert.isFalse(rulesHost(on({ capabilities: containedRoot.capabilities }, authority)))
    assert.isTrue(rulesHost(on({ uid: 1000, capabilities: root.capabilities }, authority)))
  })

  it("of root of a user namespace does not reach the host", () => {
    const nested = on({ uid: 1000, gid: 1000 }, Effect.andThen(unshareUser(1000), authority))
    assert.deepInclude(nested, { uid: 0, gid: 0, initial: false })
    assert.isFalse(rulesHost(nested))
  })

  it("decides who builds the root of a container with a new user namespace", () => {
    const own = { ...container, namespaces: [{ type: "user" as const }, { type: "mnt" as const }] }
    assert.strictEqual(typeFor(own, root), "userns")
    for (const caller of [nestedRoot, containedRoot, user(1000)]) assert.strictEqual(typeFor(own, caller), "standard")
    assert.strictEqual(typeFor({ ...container, namespaces: [] }, root), "standard")
  })
})

describe("the default directory of states", () => {
  const rootOf = (host: Options, environment: Readonly<Record<string, string>> = {}) =>
    on(host, Effect.flatMap(authority, (caller) => defaultStateRoot(caller, environment)))
  const refusal = (host: Options) =>
    on(host, Effect.flip(Effect.flatMap(authority, (caller) => defaultStateRoot(caller, {}))))
  const plain = { uid: 1000, gid: 1000 }

  it("is /run/runfx for root, and the user's run-time directory for a user", () => {
    assert.strictEqual(rootOf({}, { XDG_RUNTIME_DIR: "/x" }), "/run/runfx")
    assert.strictEqual(rootOf(plain, { XDG_RUNTIME_DIR: "/x/" }), "/x/runfx")
    const files = { "/run/user/1000": { directory: true, uid: 1000, mode: 0o700 } }
    assert.strictEqual(rootOf({ ...plain, files }), "/run/user/1000/runfx")
    assert.strictEqual(rootOf({ ...plain, files }, { XDG_RUNTIME_DIR: "relative" }), "/run/user/1000/runfx")
  })

  it("without one is below /tmp, and the user's alone", () => {
    assert.strictEqual(rootOf(plain), "/tmp/runfx-1000")
    const own = { directory: true, uid: 1000, gid: 1000 }
    assert.strictEqual(rootOf({ ...plain, files: { "/tmp/runfx-1000": { ...own, mode: 0o700 } } }), "/tmp/runfx-1000")
    for (
      const found of [
        { ...own, mode: 0o750 },
        { ...own, uid: 1001, mode: 0o700 },
        { symlink: "/home" },
        "a file"
      ]
    ) {
      const error = refusal({ ...plain, files: { "/home": { ...own, mode: 0o700 }, "/tmp/runfx-1000": found } })
      assert.strictEqual(error._tag, "StateUntrusted", JSON.stringify(found))
    }
    assert.strictEqual(
      refusal({ ...plain, files: { "/tmp": { directory: true, mode: 0o777 } } })._tag,
      "StateUntrusted",
      "others can take the name away"
    )
  })

  it("of root of a user namespace is that of the user it is outside", () => {
    const nested = (host: Options) =>
      on(
        { ...plain, ...host },
        Effect.andThen(unshareUser(1000), Effect.flatMap(authority, (caller) => defaultStateRoot(caller, {})))
      )
    assert.strictEqual(nested({}), "/tmp/runfx-1000")
    assert.strictEqual(nested({ files: { "/run": { directory: true, uid: 1000 } } }), "/run/runfx")
  })
})

describe("subordinate ids", () => {
  const programs = {
    "/usr/bin/newuidmap": { mode: 0o4755 },
    "/usr/bin/newgidmap": { mode: 0o4755 }
  }
  const granted = {
    "/etc/passwd": "root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n",
    "/etc/subuid": "# none\nother:1:1\nuser:100000:65536\n1000:300000:10\n",
    "/etc/subgid": "user:200000:65536\n"
  }
  const found = (files: Options["files"] & {}) => on({ uid: 1000, files }, subordinateIds(1000))

  it("are those of the user by name or by number, of both kinds, where there are programs to map them", () => {
    assert.deepStrictEqual(found({ ...programs, ...granted }), {
      uid: [{ start: 100_000, count: 65_536 }, { start: 300_000, count: 10 }],
      gid: [{ start: 200_000, count: 65_536 }]
    })
    assert.isUndefined(found(granted))
    assert.isUndefined(found({ ...programs, ...granted, "/etc/subgid": "" }))
    assert.isUndefined(found(programs))
    assert.deepStrictEqual(rangesOf("a:1:0\nnonsense\na:b:c\n", ["a"]), [])
  })

  it("follow the own id", () => {
    assert.deepStrictEqual(mappingsOf(1000, [{ start: 100_000, count: 10 }, { start: 5, count: 2 }]), [
      { containerId: 0, hostId: 1000, size: 1 },
      { containerId: 1, hostId: 100_000, size: 10 },
      { containerId: 11, hostId: 5, size: 2 }
    ])
  })
})
