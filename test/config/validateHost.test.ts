/** What validation asks the host: roots, namespaces, parameters. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { render } from "../../src/config/ConfigError.ts"
import type { Container } from "../../src/config/Container.ts"
import { validateHost } from "../../src/config/validate.ts"
import { RESOLVE } from "../../src/native/constants.ts"
import { scripted } from "../support/scripted.ts"
import { base, map, without } from "../support/validated.ts"

describe("validateHost", () => {
  const problems = (container: Container, answer: Parameters<typeof scripted>[0]) => {
    const kernel = scripted(answer)
    return validateHost(container).pipe(
      Effect.match({
        onFailure: (error) =>
          error._tag === "ConfigError" ? error.problems.map(render) : [error.message, error.advice ?? ""],
        onSuccess: () => []
      }),
      Effect.provide(kernel.layer),
      Effect.map((lines) => ({ lines, trace: kernel.trace() }))
    )
  }
  const inode = (ino: bigint) => ({ dev: { major: 0, minor: 4 }, ino })
  const healthy: Parameters<typeof scripted>[0] = (call) =>
    call._tag === "openat2"
      ? 7
      : call._tag === "statx"
      ? inode(call.path.startsWith("/proc/self") ? 1n : 2n)
      : undefined

  it.effect("opens the root without following symlinks, and closes it", () =>
    Effect.map(problems(base, healthy), ({ lines, trace }) => {
      assert.deepStrictEqual(lines, [])
      assert.strictEqual(
        trace[0],
        "openat2(AT_FDCWD, \"/srv/root\", O_PATH|O_CLOEXEC|O_DIRECTORY, 00, RESOLVE_NO_SYMLINKS|RESOLVE_NO_MAGICLINKS)"
      )
      assert.strictEqual(trace[1], "close(7)")
    }))

  describe("a user namespace that is joined", () => {
    /** Process 7 is in the namespace, with these maps; 8 has gone. */
    const host = (maps: Readonly<Record<string, string>>): Parameters<typeof scripted>[0] => {
      const fds = new Map<number, string>()
      const read = new Set<number>()
      const once = (fd: number, first: unknown, then: unknown) => read.has(fd) ? then : (read.add(fd), first)
      return (call) => {
        switch (call._tag) {
          case "openat2":
            fds.set(fds.size + 20, call.path)
            return fds.size + 19
          case "getdents64":
            return once(call.fd, ["self", "8", "9", "7"].map((name) => ({ name, type: 4 })), [])
          case "read":
            return once(call.fd, Buffer.from(maps[fds.get(call.fd)!] ?? ""), Buffer.from(""))
          case "statx":
            if (call.path.startsWith("/proc/8/")) return "ENOENT"
            return inode(["/ns", "/proc/7/ns/user"].includes(call.path) ? 5n : 4n)
          default:
            return undefined
        }
      }
    }
    const joining = (path: string, uid = 100_000): Container => ({
      ...base,
      namespaces: [{ type: "user", path }],
      uidMappings: [map(1000, 5, 1), map(0, uid, 1000)],
      gidMappings: [map(0, 200_000, 1000)]
    })
    const maps = {
      "/proc/7/uid_map": "         0     100000       1000\n      1000          5          1\n",
      "/proc/7/gid_map": "         0     200000       1000\n"
    }

    it.effect.each(["/proc/7/ns/user", "/ns"])(
      "has the maps that are given, whatever their order: %s",
      (path) => Effect.map(problems(joining(path), host(maps)), ({ lines }) => assert.deepStrictEqual(lines, []))
    )

    it.effect.each(["/proc/7/ns/user", "/ns"])(
      "is refused with others, which are told: %s",
      (path) =>
        Effect.map(problems(joining(path, 100_001), host(maps)), ({ lines }) => {
          assert.deepStrictEqual(lines, [
            "uidMappings = \"0 100001 1000, 1000 5 1\": " +
            `must be the map of ${path}, or be left out: 0 100000 1000, 1000 5 1`
          ])
        })
    )

    it.effect("is not looked for without maps", () =>
      Effect.map(
        problems({ ...joining("/ns"), uidMappings: [], gidMappings: [] }, host(maps)),
        ({ trace }) => assert.isFalse(trace.some((line) => line.includes("_map") || line.includes("getdents")))
      ))
  })

  it.effect.each([
    ["ENOENT", "rootfs = \"/srv/root\": must exist on the host"],
    ["ENOTDIR", "rootfs = \"/srv/root\": must be a directory on the host"],
    ["ELOOP", "rootfs = \"/srv/root\": must be free of symlinks"],
    ["EACCES", "rootfs = \"/srv/root\": must be within the caller's reach"]
  ])(
    "tells what %s means",
    ([code, line]) =>
      Effect.map(problems(base, (call) => call._tag === "openat2" ? code : healthy(call)), ({ lines }) => {
        assert.strictEqual(lines.length, 1)
        assert.isTrue(lines[0]?.startsWith(line!), lines[0])
      })
  )

  it.effect.each([
    [undefined, "must be free of symlinks"],
    ["ENOENT", "must exist on the host: a symlink on the way leads nowhere"],
    ["ENOTDIR", "must be a directory on the host: a symlink on the way leads to something else"],
    ["EACCES", "must be free of symlinks"]
  ])(
    "tells what is behind a symlink on the way to the root: %s",
    ([code, rule]) =>
      Effect.map(
        problems(base, (call) =>
          call._tag !== "openat2"
            ? healthy(call)
            : (call.resolve & RESOLVE.NO_SYMLINKS) !== 0
            ? "ELOOP"
            : code ?? healthy(call)),
        ({ lines }) => assert.deepStrictEqual(lines, [`rootfs = "/srv/root": ${rule}`])
      )
  )

  it.effect("without /proc says so, once, and nothing of the kernel", () =>
    Effect.map(problems(base, (call) => call._tag === "statx" ? "ENOENT" : healthy(call)), ({ lines }) => {
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^namespaces: can't be checked: runfx needs a procfs/)
    }))

  it.effect.each([
    ["statx", "ENOSYS", "statx(2) is missing"],
    ["openat2", "ENOSYS", "openat2(2) is missing: Linux has it since 5.6"],
    ["statx", "EPERM", ""]
  ])(
    "a call that is refused is no fault of the configuration: %s, %s",
    ([refused, code, told]) =>
      Effect.map(problems(base, (call) => call._tag === refused ? code : healthy(call)), ({ lines }) => {
        const [message, advice] = lines
        assert.match(message!, new RegExp(`^${refused}\\(.* = -1 ${code} `))
        assert.include(advice, told)
      })
  )

  it.effect("misses namespaces that the kernel or the path does not have, all at once", () =>
    Effect.map(
      problems(
        { ...base, namespaces: [...without("net"), { type: "net", path: "/run/netns/x" }] },
        (call) =>
          call._tag === "statx" && /netns|cgroup/.test(call.path)
            ? "ENOENT"
            : call._tag === "openat2"
            ? "ELOOP"
            : healthy(call)
      ),
      ({ lines }) =>
        assert.deepStrictEqual(lines, [
          "rootfs = \"/srv/root\": must be free of symlinks: those on the way lead in circles",
          "namespaces[4].type = \"cgroup\": is a namespace that this kernel does not have",
          "namespaces[5].path = \"/run/netns/x\": must exist on the host"
        ])
    ))

  it.effect("refuses network parameters in the host's network namespace", () => {
    const joined: Container = {
      ...base,
      namespaces: [...without("net"), { type: "net", path: "/proc/1/ns/net" }],
      sysctl: { "net.ipv4.ip_forward": "1", "kernel.sem": "1" }
    }
    return Effect.gen(function*() {
      assert.deepStrictEqual((yield* problems(joined, healthy)).lines, [])
      const same = yield* problems(joined, (call) => call._tag === "statx" ? inode(1n) : healthy(call))
      assert.deepStrictEqual(same.lines, [
        "sysctl[\"net.ipv4.ip_forward\"] = \"1\": would change the host: /proc/1/ns/net is the host's network namespace"
      ])
    })
  })
})
