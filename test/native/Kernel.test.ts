import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import { closeSync, openSync } from "node:fs"
import { inspect } from "node:util"
import { calls } from "../../src/native/calls.ts"
import { AT } from "../../src/native/constants.ts"
import type { Errno } from "../../src/native/Errno.ts"
import {
  type Call,
  descriptorsOf,
  Kernel,
  lasting,
  onErrno,
  orOn,
  provideMake,
  sys,
  SyscallError
} from "../../src/native/Kernel.ts"
import { failed } from "../../src/native/linux/failed.ts"
import { placesOf } from "../../src/native/linux/places.ts"
import { Refused } from "../../src/native/Refused.ts"
import { scripted } from "../support/scripted.ts"

class Other extends Data.TaggedError("Other")<{ readonly code: Errno }> {}

const refused = (code: Errno) => new SyscallError({ call: { _tag: "fchdir", fd: 3 }, code })
const causeOf = <A, E>(effect: Effect.Effect<A, E>): Cause.Cause<E> => {
  const exit = Effect.runSyncExit(effect)
  assert(Exit.isFailure(exit))
  return exit.cause
}

describe("the error of a call", () => {
  it("does not show what the environment of a program holds, however it is shown", () => {
    for (const _tag of ["execve", "execveat"] as const) {
      const call = { _tag, dirfd: 3, path: "/p", argv: ["a"], envp: ["TOKEN=secret", "B=secret=2"], flags: 0 }
      const error = new SyscallError({ call: call as Call, code: "ENOENT" })
      const cause = Cause.fail(error)
      const shown = [error.message, String(error), inspect(error), inspect(cause, { depth: 20, showHidden: true })]
      for (const text of [...shown, JSON.stringify(cause), Cause.pretty(cause)]) assert.notInclude(text, "secret")
      assert.include(error.message, "/* 2 variables */")
      assert.include(inspect(error), "TOKEN=<redacted>")
    }
  })

  it("names the files behind all descriptors of every call, if they are known", () => {
    let found = 0
    for (const [_tag, row] of Object.entries(calls)) {
      const names = Object.keys(row.arguments)
      const call = { _tag, ...Object.fromEntries(names.map((name, index) => [name, 30 + index])) } as unknown as Call
      const known = descriptorsOf(call).map(([name]) => name)
      for (const name of names.filter((name) => /^(old|new)?(fd|\w*dirfd)$/i.test(name))) {
        assert.include(known, name, _tag)
        found++
      }
    }
    assert.isAbove(found, 40)
    const call = { _tag: "renameat2", olddirfd: 25, oldpath: "a", newdirfd: 26, newpath: "b", flags: 0 } as const
    const { message } = new SyscallError({ call, code: "EACCES", places: { olddirfd: "/one", newdirfd: "/two" } })
    assert.include(message, "renameat2(25</one>, \"a\", 26</two>, \"b\", 0) = -1 EACCES")
    const here = new SyscallError({ call: { _tag: "fchdir", fd: 3 }, code: "EACCES" })
    assert.include(here.message, "fchdir(3) = -1 EACCES")
  })

  it("is told the files by /proc, but for what is a mere answer, and what is not open", () => {
    const file = openSync("/dev/null", "r")
    try {
      const call = { _tag: "mkdirat", dirfd: file, path: "x", mode: 0o755 } as const
      const places = (code: Errno, asked: Call = call) => failed(asked, new Refused(code), placesOf).places
      assert.deepStrictEqual(places("EACCES"), { dirfd: "/dev/null" })
      assert.isUndefined(places("EAGAIN"))
      assert.isUndefined(places("EACCES", { ...call, dirfd: AT.FDCWD }))
      assert.isUndefined(places("EBADF", { ...call, dirfd: 1_000_000 }))
    } finally {
      closeSync(file)
    }
  })

  it("shows the first of many arguments, and counts them", () => {
    const call = { _tag: "execve", path: "/p", argv: Array<string>(100_000).fill("x"), envp: [] }
    const { message } = new SyscallError({ call: call as Call, code: "E2BIG" })
    assert.isBelow(message.length, 400)
    assert.include(message, "\"x\", …(100000)]")
  })
})

describe("onErrno", () => {
  it("handles a call's failure with one of the errnos", () => {
    const handle = ({ code }: SyscallError) => Effect.succeed(`handled ${code}`)
    for (const code of ["ENOENT", "ESRCH"] as const) {
      const handled = Effect.fail(refused(code)).pipe(onErrno(["ENOENT", "ESRCH"], handle))
      assert.strictEqual(Effect.runSync(handled), `handled ${code}`)
    }
    assert.strictEqual(Effect.runSync(Effect.succeed(1).pipe(onErrno(["ENOENT"], handle))), 1)
    assert.strictEqual(Effect.runSync(Effect.fail(refused("ENOENT")).pipe(orOn(["ENOENT"], 2))), 2)
  })

  it("lets any other failure go on as it was", () => {
    const never = () => Effect.die("handled")
    const causes: ReadonlyArray<Cause.Cause<SyscallError | Other>> = [
      Cause.fail(refused("EACCES")),
      // no call failed
      Cause.fail(new Other({ code: "ENOENT" })),
      Cause.die("defect"),
      Cause.interrupt(1),
      Cause.combine(Cause.fail(refused("EACCES")), Cause.fail(refused("EIO"))),
      Cause.combine(Cause.fail(refused("EACCES")), Cause.interrupt(1))
    ]
    for (const cause of causes) {
      assert.deepStrictEqual(causeOf(Effect.failCause(cause).pipe(onErrno(["ENOENT"], never))), cause)
      assert.deepStrictEqual(causeOf(Effect.failCause(cause).pipe(orOn(["ENOENT"], undefined))), cause)
    }
  })
})

describe("what lasts as long as a process", () => {
  const pid = () => lasting(sys.getpid({}), (pid) => pid > 1)
  /** A kernel as the live one, and whether this process makes the calls of all fibers. */
  const kernelOf = (answer: () => unknown, isOwn = () => true) => {
    const { calls, kernel } = scripted(answer)
    provideMake(kernel, (call) => kernel.invoke(call), isOwn)
    const ask = <A>(what: Effect.Effect<A, SyscallError, Kernel>, of = kernel) =>
      Effect.runSync(Effect.result(Effect.provideService(what, Kernel, of)))
    return { ask, calls, kernel }
  }

  it("is asked once, of each kernel", () => {
    const [one, two] = [kernelOf(() => 7), kernelOf(() => 8)]
    const what = pid()
    const answers = [one, two, one, two].map(({ ask }) => Result.getOrThrow(ask(what)))
    assert.deepStrictEqual(answers, [7, 8, 7, 8])
    assert.deepStrictEqual([one.calls.length, two.calls.length], [1, 1])
  })

  it("is asked again after an answer that is only so for now, and after a failure", () => {
    const answers = [1, "EACCES", 7, 8]
    const { ask, calls } = kernelOf(() => answers.shift())
    const what = pid()
    const found = Array.from({ length: 4 }, () => ask(what))
    assert.deepStrictEqual(found.map((one) => one._tag === "Success" ? one.success : one.failure.code), [
      1,
      "EACCES",
      7,
      7
    ])
    assert.lengthOf(calls, 3)
  })

  it("is asked each time of a child, a model and a wrapper, which do not know what the kernel itself has said", () => {
    let isOwn = true
    const { ask, calls, kernel } = kernelOf(() => 7, () => isOwn)
    const what = pid()
    ask(what)
    const wrapper: Kernel["Service"] = { invoke: (call) => kernel.invoke(call) }
    for (let count = 0; count < 2; count++) ask(what, wrapper)
    isOwn = false
    for (let count = 0; count < 2; count++) ask(what)
    assert.lengthOf(calls, 5)
  })
})

describe("advice of the errno alone", () => {
  const advice = (code: Errno): string | undefined =>
    new SyscallError({ call: { _tag: "openat", dirfd: -100, path: "/x", flags: 0, mode: 0 }, code }).advice

  it("says what that means whatever the call was made for", () => {
    assert.include(advice("EMFILE"), "ulimit -n")
    assert.include(advice("ENFILE"), "fs.file-max")
    assert.include(advice("EIO"), "dmesg(1)")
    assert.isUndefined(advice("EBADF"))
  })
})
