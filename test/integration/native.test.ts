/** The live layer against the kernel it runs on: sockets, terminals, networks, filters; and every call of the table. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as c from "../../src/native/constants.ts"
import { callNames, sys } from "../../src/native/Kernel.ts"
import type { Answer } from "../../src/native/Rtnetlink.ts"
import { ChildFailed, inChild } from "../support/child.ts"
import { firstWait } from "../support/host.ts"
import { bytes, errorOf, live, noMoreThan, openFds, temporaryDirectory, text } from "../support/live.ts"
import { markOf } from "../support/mark.ts"

const { below, open } = temporaryDirectory()

describe("sockets and terminals", () => {
  live("calls", (it) => {
    const pairOf = (type: number) => sys.socketpair({ type: type | c.SOCK.CLOEXEC })

    it.effect("messages carry bytes, descriptors and credentials", () =>
      Effect.gen(function*() {
        yield* firstWait
        const before = openFds()
        const [left, right] = yield* pairOf(c.SOCK.SEQPACKET)
        yield* sys.setsockopt({ fd: right, option: c.SO.PASSCRED, value: 1 })
        const [readEnd, writeEnd] = yield* sys.pipe2({ flags: 0 })
        const sent = yield* sys.sendmsg({
          fd: left,
          data: bytes("hello"),
          fds: [readEnd, writeEnd],
          flags: c.MSG.NOSIGNAL
        })
        assert.strictEqual(sent, 5)
        const message = yield* sys.recvmsg({ fd: right, size: 4096, flags: 0 })
        assert.strictEqual(text(message.data), "hello")
        assert.strictEqual(message.fds.length, 2)
        assert.deepStrictEqual(message.credentials, { pid: process.pid, uid: 0, gid: 0 })
        for (const fd of message.fds) {
          assert.strictEqual(yield* sys.fcntl({ fd, command: c.F.GETFD, argument: 0 }), c.FD.CLOEXEC)
        }
        yield* sys.write({ fd: message.fds[1]!, data: bytes("through") })
        assert.strictEqual(text(yield* sys.read({ fd: readEnd, count: 10 })), "through")
        yield* sys.sendmsg({ fd: left, data: bytes("plain"), fds: [], flags: 0 })
        assert.deepStrictEqual((yield* sys.recvmsg({ fd: right, size: 10, flags: 0 })).fds, [])
        yield* sys.shutdown({ fd: left, how: c.SHUT.WR })
        assert.strictEqual((yield* sys.recvmsg({ fd: right, size: 10, flags: 0 })).data.length, 0)
        for (const fd of [left, right, readEnd, writeEnd, ...message.fds]) yield* sys.close({ fd })
        yield* noMoreThan(before)
      }))

    it.effect("a message with 253 descriptors", () =>
      Effect.gen(function*() {
        yield* firstWait
        const before = openFds()
        const [left, right] = yield* pairOf(c.SOCK.SEQPACKET)
        yield* sys.setsockopt({ fd: right, option: c.SO.PASSCRED, value: 1 })
        yield* sys.sendmsg({ fd: left, data: bytes("x"), fds: Array.from({ length: 253 }, () => left), flags: 0 })
        const { fds } = yield* sys.recvmsg({ fd: right, size: 10, flags: 0 })
        assert.strictEqual(fds.length, 253)
        for (const fd of [left, right, ...fds]) yield* sys.close({ fd })
        yield* noMoreThan(before)
      }))

    it.effect("descriptors for which there is no room are an error, and none stays open", () =>
      Effect.gen(function*() {
        const result = yield* inChild(
          0,
          Effect.gen(function*() {
            const [left, right] = yield* pairOf(c.SOCK.SEQPACKET)
            yield* sys.sendmsg({ fd: left, data: bytes("x"), fds: [left, left, left], flags: 0 })
            const next = yield* sys.dup({ fd: left })
            yield* sys.close({ fd: next })
            // room for one more
            yield* sys.prlimit64({
              pid: 0,
              resource: c.RLIMIT.NOFILE,
              limit: { soft: BigInt(next + 1), hard: BigInt(next + 1) }
            })
            const error = yield* errorOf(sys.recvmsg({ fd: right, size: 10, flags: 0 }))
            return { code: error.code, reused: (yield* sys.dup({ fd: left })) === next }
          })
        )
        assert.deepStrictEqual(result, { code: "EMFILE", reused: true })
      }))

    it.effect("a message that is longer than asked for is an error, and its descriptors are closed", () =>
      Effect.gen(function*() {
        const [left, right] = yield* pairOf(c.SOCK.SEQPACKET)
        yield* firstWait
        const before = openFds()
        yield* sys.sendmsg({ fd: left, data: bytes("longer"), fds: [left], flags: 0 })
        const error = yield* errorOf(sys.recvmsg({ fd: right, size: 3, flags: 0 }))
        assert.deepInclude(error, { code: "EMSGSIZE", detail: "a message was longer than 3 bytes" })
        yield* noMoreThan(before)
        yield* sys.close({ fd: left })
        yield* sys.close({ fd: right })
      }))

    it.effect("connect, time limits, poll", () =>
      Effect.gen(function*() {
        const fd = yield* sys.socket({ domain: c.AF.UNIX, type: c.SOCK.STREAM | c.SOCK.CLOEXEC, protocol: 0 })
        assert.strictEqual((yield* errorOf(sys.connect({ fd, path: below("absent") }))).code, "ENOENT")
        assert.strictEqual((yield* errorOf(sys.connect({ fd, path: `/${"x".repeat(108)}` }))).code, "ENAMETOOLONG")
        yield* sys.close({ fd })
        const [left, right] = yield* pairOf(c.SOCK.STREAM)
        yield* sys.setsockopt({ fd: left, option: c.SO.RCVTIMEO, value: 20 })
        assert.strictEqual((yield* errorOf(sys.recvmsg({ fd: left, size: 1, flags: 0 }))).code, "EAGAIN")
        assert.deepStrictEqual(yield* sys.poll({ fds: [left, right], events: c.POLL.IN, timeout: 10 }), [0, 0])
        yield* sys.write({ fd: left, data: bytes("x") })
        assert.deepStrictEqual(yield* sys.poll({ fds: [left, right], events: c.POLL.IN, timeout: -1 }), [0, c.POLL.IN])
        yield* sys.close({ fd: left })
        assert.deepStrictEqual(
          yield* sys.poll({ fds: [left, right], events: c.POLL.IN, timeout: 0 }),
          [c.POLL.NVAL, c.POLL.IN | c.POLL.HUP]
        )
        yield* sys.close({ fd: right })
      }))

    it.effect("connects to a listening socket", () =>
      Effect.gen(function*() {
        const { createServer } = yield* Effect.promise(() => import("node:net"))
        const server = createServer()
        yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(below("listening"), resolve)))
        const fd = yield* sys.socket({ domain: c.AF.UNIX, type: c.SOCK.STREAM | c.SOCK.CLOEXEC, protocol: 0 })
        yield* sys.connect({ fd, path: below("listening") })
        assert.deepStrictEqual(yield* sys.poll({ fds: [fd], events: c.POLL.OUT, timeout: 1000 }), [c.POLL.OUT])
        yield* sys.close({ fd })
        yield* Effect.promise(() => new Promise((resolve) => server.close(resolve)))
      }))

    it.effect("binds an address of IPv4, and listens there", () =>
      Effect.gen(function*() {
        const fd = yield* sys.socket({ domain: c.AF.INET, type: c.SOCK.STREAM | c.SOCK.CLOEXEC, protocol: 0 })
        assert.strictEqual((yield* errorOf(sys.bind({ fd, address: "::1", port: 0 }))).code, "EINVAL")
        assert.strictEqual((yield* errorOf(sys.bind({ fd, address: "127.0.0.1", port: 65_536 }))).code, "EINVAL")
        yield* sys.bind({ fd, address: "127.0.0.1", port: 0 })
        yield* sys.listen({ fd, backlog: 1 })
        const inode = /\d+/.exec(fs.readlinkSync(`/proc/self/fd/${fd}`))![0]
        const row = fs.readFileSync("/proc/self/net/tcp", "utf8").split("\n").map((line) => line.trim().split(/\s+/))
          .find((fields) => fields[9] === inode)!
        // TCP_LISTEN, on 127.0.0.1, at a port that the kernel has chosen
        assert.strictEqual(row[3], "0A")
        assert.match(row[1]!, /^0100007F:(?!0000)/)
        yield* sys.close({ fd })
      }))

    it.effect("terminals", () =>
      Effect.gen(function*() {
        const master = yield* open("/dev/ptmx", c.O.RDWR | c.O.NOCTTY)
        yield* sys.ioctl_sptlck({ fd: master, locked: 0 })
        const number = yield* sys.ioctl_gptn({ fd: master })
        assert.strictEqual(
          fs.statSync(`/dev/pts/${number}`).rdev,
          0x8800 | number & 0xff
        )
        yield* sys.ioctl_swinsz({ fd: master, rows: 50, columns: 132 })
        assert.deepStrictEqual(yield* sys.ioctl_gwinsz({ fd: master }), { rows: 50, columns: 132 })
        const modes = yield* sys.ioctl_tcgets({ fd: master })
        assert.strictEqual(modes.output & c.OFLAG.OPOST, c.OFLAG.OPOST)
        assert.strictEqual(modes.characters.length, 19)
        const changed = {
          ...modes,
          output: modes.output & ~c.OFLAG.OPOST,
          characters: modes.characters.with(c.CC.MIN, 7)
        }
        yield* sys.ioctl_tcsetsw({ fd: master, modes: changed })
        assert.deepStrictEqual(yield* sys.ioctl_tcgets({ fd: master }), changed)
        const short = sys.ioctl_tcsetsw({ fd: master, modes: { ...modes, characters: new Uint8Array(3) } })
        assert.strictEqual((yield* errorOf(short)).code, "EINVAL")
        const terminal = yield* sys.ioctl({ fd: master, request: c.TIOC.GPTPEER, argument: c.O.RDWR | c.O.NOCTTY })
        const controls = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* sys.setsid({})
            yield* sys.ioctl({ fd: terminal, request: c.TIOC.SCTTY, argument: 0 })
            const fd = yield* open("/proc/self/stat", 0)
            return text(yield* sys.read({ fd, count: 4096 }))
          })
        )
        const device = controls.slice(controls.lastIndexOf(")") + 2).split(" ")[4]
        assert.strictEqual(Number(device), 0x8800 | number & 0xff)
        const [readEnd, writeEnd] = yield* sys.pipe2({ flags: 0 })
        assert.strictEqual((yield* errorOf(sys.ioctl_gwinsz({ fd: readEnd }))).code, "ENOTTY")
        assert.strictEqual((yield* errorOf(sys.ioctl_tcgets({ fd: readEnd }))).code, "ENOTTY")
        for (const fd of [master, terminal, readEnd, writeEnd]) yield* sys.close({ fd })
      }))
  })
})

describe("network", () => {
  live("rtnetlink", (it) => {
    it.effect("links, addresses and routes of a new namespace, by name", () =>
      Effect.gen(function*() {
        yield* firstWait
        const before = openFds()
        const child = yield* inChild(
          c.CLONE.NEWNET,
          Effect.gen(function*() {
            const fds = yield* open("/", c.O.PATH)
            yield* sys.rtnetlink({ request: { _tag: "LinkSet", link: "lo", up: true } })
            yield* sys.rtnetlink({ request: { _tag: "BridgeAdd", name: "br0" } })
            yield* sys.rtnetlink({ request: { _tag: "VethAdd", name: "left", peer: "right", txQueueLength: 7 } })
            yield* sys.rtnetlink({ request: { _tag: "LinkSet", link: "right", name: "eth0" } })
            yield* sys.rtnetlink({
              request: { _tag: "LinkSet", link: "eth0", up: true, mtu: 1400, mac: "02:00:00:00:00:07" }
            })
            yield* sys.rtnetlink({ request: { _tag: "LinkSet", link: "left", up: true } })
            yield* sys.rtnetlink({ request: { _tag: "AddressAdd", link: "eth0", address: "10.9.0.2/24" } })
            yield* sys.rtnetlink({ request: { _tag: "RouteAdd", gateway: "10.9.0.1", link: "eth0" } })
            const again = yield* errorOf(sys.rtnetlink({ request: { _tag: "BridgeAdd", name: "br0" } }))
            const absent = yield* errorOf(
              sys.rtnetlink({ request: { _tag: "AddressAdd", link: "absent", address: "10.0.0.1/8" } })
            )
            const malformed = yield* errorOf(
              sys.rtnetlink({ request: { _tag: "AddressAdd", link: "lo", address: "nonsense" } })
            )
            const answers = {
              link: yield* sys.rtnetlink({ request: { _tag: "LinkGet", link: "eth0" } }),
              addresses: yield* sys.rtnetlink({ request: { _tag: "AddressList", link: "eth0" } }),
              routes: yield* sys.rtnetlink({ request: { _tag: "RouteList" } })
            }
            yield* sys.rtnetlink({ request: { _tag: "LinkDelete", link: "br0" } })
            const left = yield* sys.rtnetlink({ request: { _tag: "LinkList" } })
            yield* sys.close({ fd: fds })
            return {
              ...answers,
              left,
              again: again.code,
              absent: absent.code,
              malformed: malformed.message,
              flat: (yield* open("/", c.O.PATH)) === fds
            }
          })
        )
        const link = child.link[0] as Answer & { _tag: "Link" }
        assert.deepInclude(link, { name: "eth0", mtu: 1400, mac: "02:00:00:00:00:07", kind: "veth" })
        assert.isTrue(child.addresses.some((entry) => entry._tag === "Address" && entry.address === "10.9.0.2/24"))
        assert.isTrue(
          child.routes.some((entry) =>
            entry._tag === "Route" && entry.destination === null && entry.gateway === "10.9.0.1" &&
            entry.index === link.index
          )
        )
        const names = child.left.flatMap((entry) => entry._tag === "Link" ? [entry.name] : [])
        assert.includeMembers(names, ["lo", "eth0", "left"])
        assert.notInclude(names, "br0")
        assert.strictEqual(child.again, "EEXIST")
        assert.strictEqual(child.absent, "ENODEV")
        assert.include(child.malformed, `"nonsense" is not an address in CIDR notation`)
        assert.isTrue(child.flat, "no socket stays open")
        yield* noMoreThan(before)
      }))

    it.effect("says what the kernel says", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(
          inChild(
            c.CLONE.NEWNET,
            sys.rtnetlink({ request: { _tag: "LinkSet", link: "lo", mtu: 1, netnsPid: 4_000_000 } })
          )
        )
        assert.instanceOf(error, ChildFailed)
        assert.strictEqual(error.reason, "SyscallError")
      }))
  })
})

describe("filters", () => {
  /** One classic BPF instruction. */
  const classic = (code: number, jt: number, jf: number, k: number): Buffer => {
    const instruction = Buffer.alloc(8)
    instruction.writeUInt16LE(code)
    instruction[2] = jt
    instruction[3] = jf
    instruction.writeUInt32LE(k >>> 0, 4)
    return instruction
  }
  const allow = classic(0x06, 0, 0, 0x7fff0000)

  live("calls", (it) => {
    it.effect("seccomp", () =>
      Effect.gen(function*() {
        const seccomp = (program: Uint8Array, operation: number = c.SECCOMP.SET_MODE_FILTER) =>
          sys.seccomp({ operation, flags: 0, program })
        const names = yield* inChild(
          0,
          Effect.gen(function*() {
            // uname answers 99 - EADDRNOTAVAIL - and all else is allowed
            const uname = os.arch() === "arm64" ? 160 : 63
            yield* seccomp(Buffer.concat([
              classic(0x20, 0, 0, 0),
              classic(0x15, 0, 1, uname),
              classic(0x06, 0, 0, 0x00050000 | 99),
              allow
            ]))
            return (yield* errorOf(sys.uname({}))).code
          })
        )
        assert.strictEqual(names, "EADDRNOTAVAIL")
        yield* seccomp(Uint8Array.from([0, 0, 0xff, 0x7f]), c.SECCOMP.GET_ACTION_AVAIL)
        assert.strictEqual(
          (yield* errorOf(seccomp(Uint8Array.from([1, 0, 0xab, 0x12]), c.SECCOMP.GET_ACTION_AVAIL))).code,
          "ENOTSUP"
        )
        assert.include((yield* errorOf(seccomp(allow.subarray(1)))).message, "this one has 7 bytes")
        const long = yield* errorOf(seccomp(Buffer.concat(Array.from({ length: 4097 }, () => allow))))
        assert.strictEqual(long.code, "EINVAL")
      }))

    it.effect("device programs of cgroups, and the verifier's words", () =>
      Effect.gen(function*() {
        // r0 = 0; exit
        const deny = Uint8Array.from([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0])
        const programFd = yield* sys.bpf_prog_load({ instructions: deny, license: "GPL" })
        const error = yield* errorOf(sys.bpf_prog_load({ instructions: deny.subarray(8), license: "GPL" }))
        assert.strictEqual(error.code, "EACCES")
        assert.include(error.detail, "R0 !read_ok")
        const unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((name) =>
          fs.existsSync(`${name}/cgroup.controllers`)
        )
        if (unified === undefined) return console.log("skipped: no cgroup v2 hierarchy to attach a program to")
        const group = `${unified}/${markOf("runfx-native-")}`
        fs.mkdirSync(group)
        const targetFd = yield* open(group, c.O.DIRECTORY)
        const denied = yield* inChild(
          0,
          Effect.gen(function*() {
            yield* sys.bpf_prog_attach({ targetFd, programFd, flags: 0 })
            const procs = yield* sys.openat({ dirfd: targetFd, path: "cgroup.procs", flags: c.O.WRONLY, mode: 0 })
            yield* sys.write({ fd: procs, data: bytes("0") })
            return (yield* errorOf(open("/dev/null", 0))).code
          })
        )
        yield* sys.close({ fd: targetFd })
        yield* sys.close({ fd: programFd })
        fs.rmdirSync(group)
        assert.strictEqual(denied, "EPERM")
      }))
  })
})

describe("the table", () => {
  live("coverage", (it) => {
    it.effect("every call of the table is made by these files", () =>
      Effect.sync(() => {
        const names = fs.readdirSync(import.meta.dirname).filter((name) => /^native.*\.test\.ts$/.test(name))
        const source = names.map((name) => fs.readFileSync(`${import.meta.dirname}/${name}`, "utf8")).join("\n")
        assert.deepStrictEqual(callNames.filter((name) => !source.includes(`sys.${name}(`)), [])
      }))
  })
})
