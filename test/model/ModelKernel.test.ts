import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { AT, CLD, CLONE, MNT, MS, O, P, PR, SIG, SOCK, W } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { type Kernel, sys, type SyscallError } from "../../src/native/Kernel.ts"
import { ModelKernel, type Options, type State } from "../../src/testing/Testing.ts"

/** Runs a program as the first process of a model machine. */
const on = <A, E>(options: Options | State.State, program: Effect.Effect<A, E, Kernel | Fork>): A =>
  Effect.runSync(Effect.provide(program, ModelKernel.make(options).layer))

const code = <A>(effect: Effect.Effect<A, SyscallError, Kernel | Fork>) =>
  Effect.match(effect, { onFailure: (error) => error.code as string, onSuccess: () => "ok" })

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)

const readFile = (path: string) =>
  Effect.gen(function*() {
    const fd = yield* sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY, mode: 0 })
    const data = yield* sys.read({ fd, count: 65536 })
    yield* sys.close({ fd })
    return text(data)
  })

const writeFile = (path: string, value: string) =>
  Effect.gen(function*() {
    const fd = yield* sys.openat({ dirfd: AT.FDCWD, path, flags: O.WRONLY, mode: 0 })
    const result = yield* Effect.exit(sys.write({ fd, data: bytes(value) }))
    yield* sys.close({ fd })
    yield* result
  })

describe("parameters of the network", () => {
  it("of the machine are not in a new namespace, or can't be written there", () => {
    const [buffer, backlog, own] = ["core/rmem_max", "core/netdev_max_backlog", "ipv4/tcp_rmem"]
    const put = (name: string) => code(writeFile(`/proc/sys/net/${name}`, "300000"))
    const sysctls = Object.fromEntries([buffer, backlog, own].map((name) => [`net/${name}`, "200000"]))
    const codes = on(
      { sysctls },
      Effect.gen(function*() {
        const first = yield* Effect.forEach([buffer, backlog, own], put)
        yield* sys.unshare({ flags: CLONE.NEWNET })
        return [first, yield* Effect.forEach([buffer, backlog, own], put)]
      })
    )
    assert.deepStrictEqual(codes, [["ok", "ok", "ok"], ["EACCES", "ENOENT", "ok"]])
  })
})

describe("processes", () => {
  it("runs parent and child until the child executes, which closes its end of the channel", () => {
    const model = ModelKernel.make({})
    const program = Effect.gen(function*() {
      const fork = yield* Fork
      const [ours, theirs] = yield* sys.socketpair({ type: SOCK.SEQPACKET | SOCK.CLOEXEC })
      const child = Effect.gen(function*() {
        yield* sys.close({ fd: ours })
        const { data } = yield* sys.recvmsg({ fd: theirs, size: 100, flags: 0 })
        yield* sys.sethostname({ name: text(data) })
        return yield* sys.execve({ path: "/bin/sh", argv: ["sh"], envp: ["A=1"] })
      })
      const pid = yield* fork.spawn(CLONE.NEWUTS | CLONE.NEWPID, child)
      yield* sys.close({ fd: theirs })
      yield* sys.sendmsg({ fd: ours, data: bytes("box"), fds: [], flags: 0 })
      const { data } = yield* sys.recvmsg({ fd: ours, size: 100, flags: 0 })
      return { pid, eof: data.length === 0, name: (yield* sys.uname({})).nodename }
    })
    const { eof, name, pid } = Effect.runSync(Effect.provide(program, model.layer))
    assert.isTrue(eof)
    assert.strictEqual(name, "host")
    const [executed] = model.executed()
    assert.strictEqual(executed?.hostname, "box")
    assert.strictEqual(executed?.pid, pid)
    assert.deepStrictEqual(executed?.argv, ["sh"])
    assert.deepStrictEqual([...executed!.descriptors], [[0, "/dev/null"], [1, "/dev/null"], [2, "/dev/null"]])
  })

  it("gives pids by namespace, and 0 for a parent outside", () => {
    const model = ModelKernel.make({ pid: 500 })
    const ended = Effect.runSync(model.run(
      Effect.gen(function*() {
        assert.strictEqual(yield* sys.getpid({}), 1)
        assert.strictEqual(yield* sys.getppid({}), 0)
        return yield* sys.exit_group({ status: 7 })
      }).pipe(Effect.provide(model.layer)),
      CLONE.NEWPID
    ))
    assert.deepInclude(ended, { _tag: "Ended", code: CLD.EXITED, status: 7, pid: 501 })
  })

  it("waits, tells the status, and knows when there is no child", () =>
    on(
      {},
      Effect.gen(function*() {
        const fork = yield* Fork
        assert.strictEqual(yield* code(sys.waitid({ idtype: P.ALL, id: 0, options: W.EXITED })), "ECHILD")
        const pid = yield* fork.spawn(0, sys.exit_group({ status: 3 }))
        assert.isNull(yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED | W.NOHANG }))
        const status = yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
        assert.deepStrictEqual(status, { pid, uid: 0, code: CLD.EXITED, status: 3 })
        assert.strictEqual(yield* code(sys.kill({ pid, signal: 0 })), "ESRCH")
      })
    ))

  it("ends a pid namespace with its init, and lets nobody from inside kill it", () => {
    const model = ModelKernel.make({})
    const program = Effect.gen(function*() {
      const fork = yield* Fork
      const init = Effect.gen(function*() {
        yield* fork.spawn(
          0,
          sys.kill({ pid: 1, signal: SIG.KILL }).pipe(Effect.andThen(sys.nanosleep({ nanoseconds: 10n ** 12n })))
        )
        yield* sys.nanosleep({ nanoseconds: 10n ** 12n })
      })
      const pid = yield* fork.spawn(CLONE.NEWPID, init)
      yield* sys.nanosleep({ nanoseconds: 1000n })
      yield* sys.kill({ pid, signal: SIG.KILL })
      return yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
    })
    const status = Effect.runSync(Effect.provide(program, model.layer))
    assert.deepInclude(status, { code: CLD.KILLED, status: SIG.KILL })
    assert.strictEqual(model.state().processes.size, 2)
    assert.strictEqual(model.state().time, 1000n)
  })

  it("names who waits for what when nobody can go on", () => {
    const exit = Effect.runSyncExit(Effect.provide(
      Effect.gen(function*() {
        const [read] = yield* sys.pipe2({ flags: 0 })
        yield* sys.read({ fd: read, count: 1 })
      }),
      ModelKernel.make({}).layer
    ))
    assert.isTrue(Exit.isFailure(exit) && String(exit.cause).includes("waits for data in a pipe"), String(exit))
  })

  it("goes on in a sibling after a reclone, into the pid namespace made before", () => {
    const model = ModelKernel.make({})
    const ended = Effect.runSync(model.run(
      Effect.gen(function*() {
        yield* sys.unshare({ flags: CLONE.NEWPID })
        yield* sys.reclone({ flags: 0 })
        assert.strictEqual(yield* sys.getpid({}), 1)
        return yield* sys.execve({ path: "/bin/true", argv: ["true"], envp: [] })
      }).pipe(Effect.provide(model.layer))
    ))
    assert.strictEqual(ended._tag, "Executed")
  })

  it("tells a defect of a child to everybody", () => {
    const exit = Effect.runSyncExit(Effect.provide(
      Effect.gen(function*() {
        const fork = yield* Fork
        yield* fork.spawn(0, sys.prctl({ option: PR.SET_NAME, arg2: 0, arg3: 0, arg4: 0, arg5: 0 }))
        yield* sys.waitid({ idtype: P.ALL, id: 0, options: W.EXITED })
      }),
      ModelKernel.make({}).layer
    ))
    assert.include(String(exit), "does not know prctl option 15")
  })
})

describe("mounts", () => {
  it("pivots into a new root as a container does", () => {
    const model = ModelKernel.make({
      files: { "/box/bin/sh": { mode: 0o755 }, "/box/proc": { directory: true }, "/box/old": { directory: true } }
    })
    const ended = Effect.runSync(model.run(
      Effect.gen(function*() {
        yield* sys.mount({ source: null, target: "/", type: null, flags: MS.REC | MS.PRIVATE, data: null })
        assert.strictEqual(yield* code(sys.pivot_root({ newRoot: "/box", putOld: "/box/old" })), "EBUSY")
        yield* sys.mount({ source: "/box", target: "/box", type: null, flags: MS.BIND | MS.REC, data: null })
        yield* sys.mount({ source: "proc", target: "/box/proc", type: "proc", flags: MS.NOSUID, data: null })
        yield* sys.chdir({ path: "/box" })
        yield* sys.pivot_root({ newRoot: ".", putOld: "." })
        yield* sys.umount2({ target: ".", flags: MNT.DETACH })
        yield* sys.chdir({ path: "/" })
        assert.strictEqual(yield* sys.getcwd({}), "/")
        return yield* sys.execve({ path: "/bin/sh", argv: ["sh"], envp: [] })
      }).pipe(Effect.provide(model.layer)),
      CLONE.NEWNS
    ))
    assert.strictEqual(ended._tag, "Executed")
    if (ended._tag !== "Executed") return
    const points = ended.executed.mountinfo.trim().split("\n").map((line) => line.split(" ")[4])
    assert.deepStrictEqual(points, ["/", "/proc"])
  })

  it("keeps the host's mounts apart: nothing of a private namespace shows outside", () => {
    const model = ModelKernel.make({ propagation: "shared" })
    const count = () =>
      [...model.state().mounts.values()].filter(({ ns }) => ns === model.state().processes.get(1)!.ns.mnt).length
    const before = count()
    const mountTmp = sys.mount({ source: "tmpfs", target: "/tmp", type: "tmpfs", flags: 0, data: null })
    Effect.runSync(model.run(
      Effect.gen(function*() {
        yield* sys.mount({ source: null, target: "/", type: null, flags: MS.REC | MS.SLAVE, data: null })
        yield* mountTmp
        return yield* sys.exit_group({ status: 0 })
      }).pipe(Effect.provide(model.layer)),
      CLONE.NEWNS
    ))
    assert.strictEqual(count(), before)
    Effect.runSync(model.run(
      Effect.andThen(mountTmp, sys.exit_group({ status: 0 })).pipe(Effect.provide(model.layer)),
      CLONE.NEWNS
    ))
    assert.strictEqual(count(), before + 1)
  })
})

describe("user namespaces", () => {
  const maps = (uid: number, writes: (pid: number) => Effect.Effect<void, SyscallError, Kernel>) =>
    on(
      { uid },
      Effect.gen(function*() {
        const fork = yield* Fork
        const [read, write] = yield* sys.pipe2({ flags: 0 })
        const pid = yield* fork.spawn(
          CLONE.NEWUSER,
          Effect.gen(function*() {
            yield* sys.close({ fd: write })
            yield* sys.read({ fd: read, count: 1 })
            const ids = yield* sys.getresuid({})
            return yield* sys.exit_group({ status: ids.real === 0 ? 0 : 1 })
          })
        )
        const result = yield* code(writes(pid))
        yield* sys.close({ fd: write })
        const status = yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
        return [result, status!.status] as const
      })
    )

  it("an unprivileged parent maps itself, once setgroups is denied", () => {
    const map = (pid: number) => writeFile(`/proc/${pid}/uid_map`, "0 1000 1\n")
    assert.deepStrictEqual(maps(1000, map), ["ok", 0])
    assert.deepStrictEqual(
      maps(1000, (pid) => Effect.andThen(map(pid), writeFile(`/proc/${pid}/gid_map`, "0 1000 1\n"))),
      ["EPERM", 0]
    )
    assert.deepStrictEqual(
      maps(1000, (pid) =>
        writeFile(`/proc/${pid}/setgroups`, "deny").pipe(
          Effect.andThen(map(pid)),
          Effect.andThen(writeFile(`/proc/${pid}/gid_map`, "0 1000 1\n"))
        )),
      ["ok", 0]
    )
    assert.deepStrictEqual(maps(1000, (pid) => writeFile(`/proc/${pid}/uid_map`, "0 1001 1\n")), ["EPERM", 1])
  })

  it("a map is written once, and well-formed", () => {
    const twice = (pid: number) =>
      Effect.andThen(writeFile(`/proc/${pid}/uid_map`, "0 5 2\n"), writeFile(`/proc/${pid}/uid_map`, "0 5 2\n"))
    assert.deepStrictEqual(maps(0, twice), ["EPERM", 1])
    for (const bad of ["0 0", "a b c", "0 0 0", "0 0 2\n1 5 1", ""]) {
      assert.strictEqual(maps(0, (pid) => writeFile(`/proc/${pid}/uid_map`, bad))[0], "EINVAL", bad)
    }
  })
})

describe("cgroups", () => {
  for (const layout of ["v1", "v2"] as const) {
    it(`${layout}: freezes, keeps signals of the frozen, and is removed when empty`, () => {
      const model = ModelKernel.make({ cgroup: layout, freezingReads: 2 })
      const dir = layout === "v1" ? "/sys/fs/cgroup/freezer/box" : "/sys/fs/cgroup/box"
      const program = Effect.gen(function*() {
        const fork = yield* Fork
        yield* sys.mkdirat({ dirfd: AT.FDCWD, path: dir, mode: 0o755 })
        const pid = yield* fork.spawn(0, sys.nanosleep({ nanoseconds: 10n ** 15n }))
        yield* writeFile(`${dir}/cgroup.procs`, String(pid))
        assert.strictEqual(yield* readFile(`${dir}/cgroup.procs`), `${pid}\n`)
        if (layout === "v1") {
          yield* writeFile(`${dir}/freezer.state`, "FROZEN")
          assert.strictEqual(yield* readFile(`${dir}/freezer.state`), "FREEZING\n")
          assert.strictEqual(yield* readFile(`${dir}/freezer.state`), "FREEZING\n")
          assert.strictEqual(yield* readFile(`${dir}/freezer.state`), "FROZEN\n")
        } else {
          yield* writeFile(`${dir}/cgroup.freeze`, "1")
          assert.strictEqual(yield* readFile(`${dir}/cgroup.events`), "populated 1\nfrozen 1\n")
        }
        assert.strictEqual(yield* code(sys.unlinkat({ dirfd: AT.FDCWD, path: dir, flags: AT.REMOVEDIR })), "EBUSY")
        yield* sys.kill({ pid, signal: SIG.KILL })
        const dead = yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED | W.NOHANG })
        if (layout === "v1") {
          assert.isNull(dead)
          yield* writeFile(`${dir}/freezer.state`, "THAWED")
          yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
        } else assert.isNotNull(dead)
        yield* sys.unlinkat({ dirfd: AT.FDCWD, path: dir, flags: AT.REMOVEDIR })
      })
      Effect.runSync(Effect.provide(program, model.layer))
    })
  }
})

describe("network", () => {
  it("moves an end of a veth pair into the namespace of a process, and ends it with that", () => {
    const model = ModelKernel.make({ links: {} })
    const program = Effect.gen(function*() {
      const fork = yield* Fork
      yield* sys.rtnetlink({ request: { _tag: "BridgeAdd", name: "br0" } })
      yield* sys.rtnetlink({ request: { _tag: "VethAdd", name: "host0", peer: "tmp0" } })
      assert.strictEqual(
        yield* code(sys.rtnetlink({ request: { _tag: "VethAdd", name: "host0", peer: "x" } })),
        "EEXIST"
      )
      const pid = yield* fork.spawn(
        CLONE.NEWNET,
        Effect.gen(function*() {
          yield* sys.nanosleep({ nanoseconds: 1000n })
          const route = (gateway: string) =>
            code(sys.rtnetlink({ request: { _tag: "RouteAdd", gateway, link: "tmp0" } }))
          assert.strictEqual(yield* route("10.0.0.1"), "ENETUNREACH")
          yield* sys.rtnetlink({ request: { _tag: "AddressAdd", link: "tmp0", address: "10.0.0.2/24" } })
          yield* sys.rtnetlink({ request: { _tag: "LinkSet", link: "tmp0", up: true } })
          assert.strictEqual(yield* route("10.0.0.1"), "ok")
          assert.strictEqual(yield* route("10.0.0.1"), "EEXIST")
          const bad = { _tag: "RouteAdd", destination: "10.1.0.1/24", gateway: "10.0.0.1", link: "tmp0" } as const
          assert.strictEqual(yield* code(sys.rtnetlink({ request: bad })), "EINVAL")
          return yield* sys.exit_group({ status: 0 })
        })
      )
      yield* sys.rtnetlink({ request: { _tag: "LinkSet", link: "tmp0", netnsPid: pid } })
      const links = (yield* sys.rtnetlink({ request: { _tag: "LinkList" } })).map((link) =>
        "name" in link ? link.name : ""
      )
      assert.deepStrictEqual(links, ["lo", "br0", "host0"])
      const status = yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
      assert.strictEqual(status?.status, 0)
      return (yield* sys.rtnetlink({ request: { _tag: "LinkList" } })).length
    })
    assert.strictEqual(Effect.runSync(Effect.provide(program, model.layer)), 2, String([...model.exits().values()]))
  })
})
