/** A directory of states that can't be one: the error says what to do. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { defaultSpec } from "../../src/config/defaults.ts"
import { render } from "../../src/engine/PipelineError.ts"
import * as Step from "../../src/engine/Step.ts"
import type { SeedFile } from "../../src/model/Seed.ts"
import type { Fork } from "../../src/native/Fork.ts"
import type { Kernel } from "../../src/native/Kernel.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import * as Store from "../../src/steps/state/Store.ts"
import { Check } from "../../src/testing/Testing.ts"

const container = defaultSpec({ rootfs: "/srv", args: ["/bin/a"] })
const machine = { files: { "/srv": { directory: true }, "/srv/bin/a": { mode: 0o755 }, "/etc/file": "" } } as const

const failure = (effect: Effect.Effect<unknown, unknown, Kernel | Fork>): string => {
  const { exit } = Check.run(effect, { machine })
  return Exit.isFailure(exit) ? render(Cause.squash(exit.cause)) : assert.fail("it succeeded")
}

describe("a directory of states", () => {
  it.each([["", "ENOENT"], ["/proc/missing", "ENOENT"], ["/etc/file", "ENOTDIR"]])(
    "%j can't be made, and another one is advised",
    (stateRoot, code) => {
      const text = failure(Runtime.create({ id: "a", stateRoot, container }))
      assert.include(text, code)
      assert.match(text, /what to do: .* give another one with --root$/)
    }
  )

  it("that is a file has no containers to list, and another one is advised", () => {
    const text = failure(Runtime.list("/etc/file"))
    assert.match(
      text,
      /ENOTDIR .*\n {2}what to do: the directory of states must be a directory: give another one with --root$/
    )
  })
})

/** Directories of one user, in a machine whose caller is another one. */
const of = (uid: number, mode: number) => ({ directory: true, uid, gid: uid, mode }) as const
const mallory = 1001

describe.each([["root", 0], ["a plain user", 1000]])("a directory of states of %s", (_, uid) => {
  const run: Readonly<Record<string, (stateRoot: string) => Effect.Effect<unknown, unknown, Kernel>>> = {
    create: (root) => Effect.provideService(Store.create(root, "a"), Step.Rollback, { add: () => undefined }),
    list: (root) => Runtime.list(root),
    prune: (stateRoot) => Runtime.prune({ stateRoot }),
    remove: (stateRoot) => Runtime.remove("a", { stateRoot, force: true })
  }
  const act = (files: Readonly<Record<string, SeedFile>>, stateRoot: string, one: string) =>
    Check.run(run[one]!(stateRoot), {
      machine: { ...(uid === 0 ? {} : { uid, gid: uid, capabilities: 0n }), files: { ...machine.files, ...files } }
    })
  const acts = ["create", "list", "prune", "remove"] as const

  it.each([
    [
      "it belongs to another user",
      { "/s": of(mallory, 0o700) },
      "/s",
      "the state directory /s can't be trusted: it belongs to uid 1001"
    ],
    [
      "another user may write it",
      { "/s": of(uid, 0o770) },
      "/s",
      "the state directory /s can't be trusted: it belongs to"
    ],
    [
      "it is in a directory of another user",
      { "/m": of(mallory, 0o755), "/m/s": of(uid, 0o700) },
      "/m/s",
      "the directory /m on the way"
    ],
    [
      "another user made it in a sticky directory",
      { "/t": of(0, 0o1777), "/t/s": of(mallory, 0o755) },
      "/t/s",
      "it belongs to uid 1001"
    ],
    [
      "another user made one above it in a sticky directory",
      {
        "/t": of(0, 0o1777),
        "/t/m": of(mallory, 0o755),
        "/t/m/s": of(uid, 0o700)
      },
      "/t/m/s",
      "the directory /t/m on the way"
    ],
    [
      "anybody may rename a directory above it",
      { "/t": of(0, 0o777), "/t/s": of(uid, 0o700) },
      "/t/s",
      "the directory /t on the way"
    ],
    [
      "a sticky directory is another user's",
      { "/t": of(mallory, 0o1777), "/t/s": of(uid, 0o700) },
      "/t/s",
      "the directory /t on the way"
    ],
    [
      "it is behind another user's link",
      {
        "/t": of(0, 0o1777),
        "/t/l": { symlink: "/own", uid: mallory },
        "/own": of(uid, 0o700),
        "/own/s": of(uid, 0o700)
      },
      "/t/l/s",
      "the link /t/l on the way to it belongs to uid 1001"
    ],
    [
      "a link leads through another user's directory",
      {
        "/l": { symlink: "/m/d", uid: 0 },
        "/m": of(mallory, 0o755),
        "/m/d": of(uid, 0o700)
      },
      "/l/s",
      "the directory /m on the way"
    ]
  ])("is refused if %s, and nothing is made", (_, files, root, message) => {
    for (const one of acts) {
      const { exit, model } = act(files, root, one)
      const error = Exit.isFailure(exit) ? render(Cause.squash(exit.cause)) : `${one} succeeded`
      assert.include(error, message, one)
      assert.include(error, "no other user can write")
      assert.deepStrictEqual(model.state().nodes.size, act(files, root, "list").model.state().nodes.size, one)
    }
  })

  it.each([
    ["it is made in a sticky directory", { "/t": of(0, 0o1777) }, "/t/deep/s"],
    ["it is the caller's in a sticky directory", { "/t": of(0, 0o1777), "/t/s": of(uid, 0o755) }, "/t/s"],
    ["it is the caller's in root's directory", { "/r": of(0, 0o755), "/r/s": of(uid, 0o700) }, "/r/s"],
    ["it is behind links of root and of the caller", {
      "/l": { symlink: "t/../t/x", uid: 0 },
      "/t": of(0, 0o1777),
      "/t/x": { symlink: "/t/y", uid },
      "/t/y": of(uid, 0o711)
    }, "/l/s"]
  ])("is used if %s", (_, files, root) => {
    for (const one of acts) {
      const { exit } = act(files, root, one)
      assert.isTrue(Exit.isSuccess(exit), `${one}: ${String(exit)}`)
    }
  })

  it("is not made where a link leads nowhere, and a loop of links ends", () => {
    const files = {
      "/t": of(0, 0o1777),
      "/t/l": { symlink: "/t/gone", uid },
      "/t/a": { symlink: "b", uid },
      "/t/b": { symlink: "a", uid }
    }
    for (const [root, code] of [["/t/l/s", "ENOENT"], ["/t/l", "ENOENT"], ["/t/a/s", "ENOTDIR"]] as const) {
      const { exit } = act(files, root, "create")
      assert.include(Exit.isFailure(exit) ? render(Cause.squash(exit.cause)) : "", code, root)
    }
  })

  it("has no container in a directory that another user owns or may write", () => {
    for (const found of [of(mallory, 0o755), of(uid, 0o777)]) {
      const files = { "/s": of(uid, 0o700), "/s/a": found, "/s/a/state.json": "{}" }
      const { exit } = act(files, "/s", "remove")
      assert.include(
        Exit.isFailure(exit) ? render(Cause.squash(exit.cause)) : "it succeeded",
        "the state directory /s/a can't be trusted"
      )
    }
  })
})
