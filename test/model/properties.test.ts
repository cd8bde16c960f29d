/** Properties of the model itself, over random machines and random calls. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import fc from "fast-check"
import { AT, CLOSE_RANGE, F, O, PR, RESOLVE } from "../../src/native/constants.ts"
import { type Call, Kernel, type Result, type SyscallError } from "../../src/native/Kernel.ts"
import { ModelKernel, type SeedFile, type State } from "../../src/testing/Testing.ts"

/** Makes calls one by one on a model machine; an errno is a text. */
const machine = (options: Parameters<typeof ModelKernel.make>[0]) => {
  const model = ModelKernel.make(options)
  const invoke = <C extends Call>(call: C): Result<C> | string =>
    Effect.runSync(Effect.match(model.kernel.invoke(call), {
      onFailure: (error: SyscallError): Result<C> | string => error.code,
      onSuccess: (result): Result<C> | string => result
    }))
  return { model, invoke, self: (): State.Process => model.state().processes.get(model.pid)! }
}

const name = fc.constantFrom("a", "b", "c")
const target = fc.oneof(
  fc.array(fc.constantFrom("a", "b", "c", "..", "."), { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/")),
  fc.array(fc.constantFrom("a", "b", "c", "..", "secret"), { minLength: 1, maxLength: 4 }).map((parts) =>
    `/${parts.join("/")}`
  )
)
const tree = fc.array(
  fc.tuple(
    fc.array(name, { minLength: 1, maxLength: 3 }),
    fc.oneof<[fc.Arbitrary<SeedFile>, fc.Arbitrary<SeedFile>]>(
      fc.constant({ directory: true }),
      target.map((symlink) => ({ symlink }))
    )
  ),
  { maxLength: 12 }
)
const path = fc.array(fc.constantFrom("a", "b", "c", "..", ".", ""), { minLength: 1, maxLength: 6 }).map((parts) =>
  parts.join("/")
)

/** A seed whose entries do not stand in each other's way. */
const files = (entries: ReadonlyArray<readonly [ReadonlyArray<string>, SeedFile]>): Record<string, SeedFile> => {
  const out: Record<string, SeedFile> = {
    "/jail": { directory: true },
    "/secret": "outside",
    "/a": { directory: true },
    "/b": "outside"
  }
  const leaves = new Set<string>()
  const inner = new Set<string>()
  for (const [parts, file] of entries) {
    const full = `/jail/${parts.join("/")}`
    const above = parts.map((_, index) => `/jail/${parts.slice(0, index).join("/")}`.replace(/\/$/, ""))
    const isLink = typeof file === "object" && "symlink" in file
    if (above.some((one) => leaves.has(one)) || leaves.has(full) || (isLink && inner.has(full))) continue
    for (const one of [...above, ...isLink ? [] : [full]]) inner.add(one)
    if (isLink) leaves.add(full)
    out[full] = file
  }
  return out
}

describe("resolution below a handle", () => {
  it("never leaves the handle's directory, whatever the tree and the path", () => {
    let found = 0
    fc.assert(
      fc.property(tree, path, fc.constantFrom(RESOLVE.IN_ROOT, RESOLVE.BENEATH), (entries, where, how) => {
        const { invoke, model, self } = machine({ files: files(entries) })
        const jail = invoke({ _tag: "openat", dirfd: AT.FDCWD, path: "/jail", flags: O.PATH, mode: 0 }) as number
        const fd = invoke({ _tag: "openat2", dirfd: jail, path: where, flags: O.PATH, mode: 0, resolve: how })
        if (typeof fd === "string") {
          assert.include(["ENOENT", "ENOTDIR", "ELOOP", "EXDEV"], fd)
          return
        }
        found++
        const { kind } = model.state().files.get(self().descriptors.get(fd)!.file)!
        const names: Array<string> = []
        for (let id = kind._tag === "Node" ? kind.location.node : -1;;) {
          const node = model.state().nodes.get(id as number)!
          if (node.parent === id) break
          names.unshift(node.name)
          id = node.parent
        }
        assert.strictEqual(names[0], "jail", `${where} led to /${names.join("/")}`)
      }),
      { numRuns: 400 }
    )
    assert.isAbove(found, 50)
  })
})

describe("the descriptor table", () => {
  const operation = fc.oneof(
    fc.constant(["open"] as const),
    fc.tuple(fc.constant("close" as const), fc.nat(8)),
    fc.tuple(fc.constant("dup" as const), fc.nat(8)),
    fc.tuple(fc.constant("dup3" as const), fc.nat(8), fc.nat(8)),
    fc.tuple(fc.constant("from" as const), fc.nat(8), fc.nat(8)),
    fc.tuple(fc.constant("range" as const), fc.nat(8), fc.nat(8), fc.boolean())
  )
  it("gives the lowest free number, and counts who holds a description", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        const { invoke, model, self } = machine({})
        for (const [kind, a = 0, b = 0, mark = false] of operations) {
          const before = self().descriptors
          const lowest = (from = 0): number => {
            let fd = from
            while (before.has(fd)) fd++
            return fd
          }
          switch (kind) {
            case "open":
              assert.strictEqual<number | string>(
                invoke({ _tag: "openat", dirfd: AT.FDCWD, path: "/etc/passwd", flags: 0, mode: 0 }),
                lowest()
              )
              break
            case "close":
              assert.strictEqual(invoke({ _tag: "close", fd: a }), before.has(a) ? undefined : "EBADF")
              break
            case "dup":
              assert.strictEqual(invoke({ _tag: "dup", fd: a }), before.has(a) ? lowest() : "EBADF")
              break
            case "dup3":
              assert.strictEqual(
                invoke({ _tag: "dup3", oldfd: a, newfd: b, flags: 0 }),
                a === b ? "EINVAL" : before.has(a) ? b : "EBADF"
              )
              break
            case "from":
              assert.strictEqual(
                invoke({ _tag: "fcntl", fd: a, command: F.DUPFD, argument: b }),
                before.has(a) ? lowest(b) : "EBADF"
              )
              break
            case "range": {
              const flags = mark ? CLOSE_RANGE.CLOEXEC : 0
              assert.strictEqual(
                invoke({ _tag: "close_range", first: a, last: b, flags }),
                a > b ? "EINVAL" : undefined
              )
              break
            }
          }
          const held = new Map<number, number>()
          for (const { file } of self().descriptors.values()) held.set(file, (held.get(file) ?? 0) + 1)
          assert.deepStrictEqual(
            new Map([...model.state().files.values()].map(({ id, refs }) => [id, refs])),
            new Map([...held].toSorted(([x], [y]) => x - y))
          )
        }
      }),
      { numRuns: 150 }
    )
  })
})

describe("capabilities", () => {
  const bits = fc.nat(7).map(BigInt)
  const subset = (a: bigint, b: bigint) => (a & ~b) === 0n
  const change = fc.oneof(
    fc.tuple(fc.constant("uid" as const), fc.constantFrom(0, 1000), fc.constantFrom(0, 1000)),
    fc.tuple(fc.constant("caps" as const), bits, bits, bits),
    fc.tuple(fc.constant("keep" as const), fc.nat(1)),
    fc.tuple(fc.constant("bound" as const), fc.nat(2)),
    fc.tuple(fc.constant("ambient" as const), fc.nat(2)),
    fc.tuple(fc.constant("exec" as const))
  )

  it("keep their order, and no change without uid 0 gives one back", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 15 }), (changes) => {
        // capabilities 0 to 7 only, CAP_SETUID (7) and CAP_SETGID (6) among them
        const { invoke, self } = machine({ capabilities: 0xffn, bounding: 0xffn, lastCapability: 8 })
        for (const [kind, a = 0, b = 0, c = 0n] of changes) {
          const before = self().creds
          const prctl = (option: number, arg2: number, arg3 = 0) =>
            invoke({ _tag: "prctl", option, arg2, arg3, arg4: 0, arg5: 0 })
          switch (kind) {
            case "uid":
              invoke({ _tag: "setresuid", ruid: Number(a), euid: Number(b), suid: -1 })
              break
            case "caps":
              invoke({ _tag: "capset", effective: BigInt(a), permitted: BigInt(b), inheritable: c })
              break
            case "keep":
              prctl(PR.SET_KEEPCAPS, Number(a))
              break
            case "bound":
              prctl(PR.CAPBSET_DROP, Number(a))
              break
            case "ambient":
              prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_RAISE, Number(a))
              break
            case "exec":
              break
          }
          const after = self().creds
          assert.isTrue(subset(after.effective, after.permitted), "effective within permitted")
          assert.isTrue(subset(after.ambient, after.permitted & after.inheritable), "ambient within both")
          assert.isTrue(subset(after.bounding, before.bounding), "the bounding set only shrinks")
          assert.isTrue(subset(after.permitted, before.permitted), "permitted only shrinks")
        }
      }),
      { numRuns: 300 }
    )
  })

  /** capabilities(7): what a program has, by who executes it and how; 0, 1, 2 and CAP_SETPCAP (8) at the start. */
  const table: ReadonlyArray<readonly [string, number, ReadonlyArray<Call>, Partial<State.Credentials>]> = [
    ["root has what is bounded", 0, [], { permitted: 0x107n, effective: 0x107n }],
    [
      "root has no more than the bounding set and what is inheritable",
      0,
      [prctlCall(PR.CAPBSET_DROP, 2)],
      { permitted: 0x103n, effective: 0x103n, bounding: 0x103n }
    ],
    ["a user has none", 1000, [], { permitted: 0n, effective: 0n }],
    [
      "a user keeps ambient ones",
      1000,
      [
        { _tag: "capset", effective: 0b11n, permitted: 0b11n, inheritable: 0b11n },
        prctlCall(PR.CAP_AMBIENT, PR.CAP_AMBIENT_RAISE, 1)
      ],
      { permitted: 0b10n, effective: 0b10n, ambient: 0b10n, inheritable: 0b11n }
    ],
    [
      "no_new_privs gives root nothing back",
      0,
      [
        { _tag: "capset", effective: 0b1n, permitted: 0b1n, inheritable: 0n },
        prctlCall(PR.SET_NO_NEW_PRIVS, 1)
      ],
      { permitted: 0b1n, effective: 0b1n, bounding: 0x107n }
    ]
  ]
  for (const [what, uid, calls, expected] of table) {
    it(`exec: ${what}`, () => {
      const { model } = machine({ uid, capabilities: 0x107n, bounding: 0x107n, lastCapability: 8 })
      const program = Effect.gen(function*() {
        const kernel = yield* Kernel
        for (const call of calls) yield* kernel.invoke(call)
        return yield* kernel.invoke({ _tag: "execve", path: "/bin/true", argv: ["true"], envp: [] })
      })
      const ended = Effect.runSync(Effect.provide(model.run(program), model.layer))
      if (ended._tag !== "Executed") throw new Error(JSON.stringify(ended))
      assert.deepInclude(ended.executed.process.creds, expected)
    })
  }
})

function prctlCall(option: number, arg2: number, arg3 = 0): Call {
  return { _tag: "prctl", option, arg2, arg3, arg4: 0, arg5: 0 }
}
