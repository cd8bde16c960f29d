import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { MS } from "../../../src/native/constants.ts"
import { Kernel } from "../../../src/native/Kernel.ts"
import { holderOf, ifThere, reliedOn, startOf, uncovered } from "../../../src/steps/rootfs/places.ts"
import { bindMount, mount } from "../../support/contained.ts"
import { scripted } from "../../support/scripted.ts"
import { container } from "../../support/steps.ts"

const kept = [
  { destination: "/proc", fd: 5, fresh: true },
  { destination: "/proc/meminfo", fd: 6, fresh: false },
  { destination: "/data", fd: 7, fresh: false }
]

/** What is used, and the calls that were made. */
const used = (path: string, answer: (call: { readonly path?: string }) => unknown = () => 20) => {
  const fds: Array<number> = []
  const { kernel, trace } = scripted((call) => call._tag === "openat2" ? answer(call) : undefined)
  Effect.runSync(
    ifThere(9, kept, path, (fd) => Effect.sync(() => void fds.push(fd))).pipe(Effect.provideService(Kernel, kernel))
  )
  return { fds, trace: trace() }
}

describe("places", () => {
  it("are found below the handle of the mount that holds them", () => {
    const { fds, trace } = used("/proc/sys/kernel/")
    assert.deepStrictEqual(fds, [20])
    assert.deepStrictEqual(trace, [
      "openat2(5, \"sys/kernel\", O_PATH|O_CLOEXEC, 00, RESOLVE_BENEATH|RESOLVE_NO_MAGICLINKS)",
      "close(20)"
    ])
    assert.match(used("/process").trace[0]!, /^openat2\(9, "\/process", .*RESOLVE_IN_ROOT/)
    // the mount itself is its handle, which stays open
    assert.deepStrictEqual(used("/proc/meminfo"), { fds: [6], trace: [] })
  })

  it("are not used where nothing is there", () => {
    assert.deepStrictEqual(used("/proc/none", () => "ENOENT").fds, [])
    assert.deepStrictEqual(used("/proc/meminfo/x", () => "ENOTDIR").fds, [])
    assert.throws(() => used("/proc/x", () => "EACCES"), /EACCES/)
  })

  it("behind a link that leads out of the mount are what they are to the program", () => {
    const { fds, trace } = used("/data/link", ({ path }) => path === "link" ? "EXDEV" : 21)
    assert.deepStrictEqual(fds, [21])
    assert.match(trace[1]!, /^openat2\(9, "\/data\/link"/)
  })

  it("to make something are below the handles of mounts that nobody else has filled", () => {
    assert.deepStrictEqual(startOf(9, kept, "/proc/a/b"), { root: 5, path: "/a/b" })
    assert.deepStrictEqual(startOf(9, kept, "/proc"), { root: 5, path: "/" })
    assert.deepStrictEqual(startOf(9, kept, "/data/x"), { root: 9, path: "/data/x" })
    assert.deepStrictEqual(startOf(9, kept, "/x"), { root: 9, path: "/x" })
    assert.strictEqual(holderOf(kept, "/proc/meminfo")?.fd, 6)
  })

  it("of mounts: those that others work in, and those that no other covers", () => {
    const mounts = [
      mount("proc", "/proc"),
      mount("tmpfs", "/run"),
      mount("tmpfs", "/run/lock"),
      bindMount("/src", "/data"),
      bindMount("/src", "/other"),
      mount("tmpfs", "/tmp"),
      mount("cgroup", "/cg"),
      mount("", "/run", { flags: MS.REMOUNT }),
      mount("tmpfs", "/run/lock/")
    ]
    const destinations = (list: Iterable<{ readonly destination: string }>) =>
      [...list].map(({ destination }) => destination)
    assert.deepStrictEqual(
      destinations(reliedOn({
        ...container,
        mounts: mounts.map((mount) => ({ ...mount, flags: 0 })),
        maskedPaths: ["/data/secret"]
      })).slice(0, 5),
      ["/proc", "/run", "/run/lock", "/data", "/cg"]
    )
    // a remount is told from all others
    assert.deepStrictEqual([...reliedOn({ ...container, mounts })], mounts)
    assert.deepStrictEqual(destinations(uncovered({ ...container, mounts })), [
      "/proc",
      "/run",
      "/data",
      "/other",
      "/tmp",
      "/cg",
      "/run/lock/"
    ])
  })
})
