/**
 * The process and credential steps on the real kernel: each test forks a child that runs them and execs, and looks at the
 * process from outside.
 */
import { afterAll, assert, beforeAll, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as nodeProcess from "node:process"
import * as Capabilities from "../../src/config/capabilities.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import * as c from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { type Call, callNames, Kernel, type Result, sys, SyscallError } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { applyLabels } from "../../src/steps/applyLabels.ts"
import { becomeNamespaceRoot } from "../../src/steps/becomeNamespaceRoot.ts"
import { chdir } from "../../src/steps/chdir.ts"
import { clearKeepCaps } from "../../src/steps/clearKeepCaps.ts"
import { closeExecFrom } from "../../src/steps/closeExecFrom.ts"
import { dropBoundingSet } from "../../src/steps/dropBoundingSet.ts"
import { dropCapabilities } from "../../src/steps/dropCapabilities.ts"
import { findProgram } from "../../src/steps/findProgram.ts"
import { forkIntoNamespaces } from "../../src/steps/forkIntoNamespaces.ts"
import { environmentFor } from "../../src/steps/init/environment.ts"
import {
  CapabilitiesSet,
  DescriptorsClosed,
  Environment,
  ExecUser,
  Forked,
  InNamespaces,
  LimitsSet,
  NamespaceRoot,
  NamespacesJoined,
  NamespacesMade,
  NoNewPrivileges,
  ParentDeathSignalSet,
  ProcessRestored,
  Program,
  StdioConnected,
  Unreachable
} from "../../src/steps/init/facts.ts"
import { Init } from "../../src/steps/init/Init.ts"
import { applyRlimits } from "../../src/steps/init/rlimits.ts"
import { joinNamespaces } from "../../src/steps/joinNamespaces.ts"
import { joinSessionKeyring } from "../../src/steps/joinSessionKeyring.ts"
import { openConsole } from "../../src/steps/openConsole.ts"
import { populateEnv } from "../../src/steps/populateEnv.ts"
import { protectProcess } from "../../src/steps/protectProcess.ts"
import { restoreParentDeathSignal } from "../../src/steps/restoreParentDeathSignal.ts"
import { restoreProcess } from "../../src/steps/restoreProcess.ts"
import { saveParentDeathSignal } from "../../src/steps/saveParentDeathSignal.ts"
import { sessionKeyring } from "../../src/steps/sessionKeyring.ts"
import { setKeepCaps } from "../../src/steps/setKeepCaps.ts"
import { setNoNewPrivileges } from "../../src/steps/setNoNewPrivileges.ts"
import { setOomScoreAdj } from "../../src/steps/setOomScoreAdj.ts"
import { setScheduling } from "../../src/steps/setScheduling.ts"
import { setUmask } from "../../src/steps/setUmask.ts"
import { setupRlimits } from "../../src/steps/setupRlimits.ts"
import { setupUser } from "../../src/steps/setupUser.ts"
import { startSession } from "../../src/steps/startSession.ts"
import { unshareNamespaces } from "../../src/steps/unshareNamespaces.ts"
import { verifyParent } from "../../src/steps/verifyParent.ts"
import { verifyWorkingDirectory } from "../../src/steps/verifyWorkingDirectory.ts"
import { ChildFailed, inChild, readAll } from "../support/child.ts"
import { init } from "../support/steps.ts"
import { eventually } from "../support/until.ts"

type Given = Parameters<typeof init>[0]

let directory = ""
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-credentials-"))
  fs.chmodSync(directory, 0o755)
})
afterAll(() => fs.rmSync(directory, { recursive: true }))

// ── running steps in a child ─────────────────────────────────────────────────────────────────────────────────────────

/** The steps from the working directory on, as every init pipeline has them, without those that are tested alone. */
const finalize = [
  populateEnv,
  setNoNewPrivileges,
  saveParentDeathSignal,
  closeExecFrom,
  chdir,
  dropBoundingSet,
  setKeepCaps,
  setupUser,
  verifyWorkingDirectory,
  clearKeepCaps,
  dropCapabilities,
  restoreParentDeathSignal,
  findProgram,
  restoreProcess
] as const

const exec = Step.make("exec", {
  doc: "execute the program",
  calls: ["execve"],
  requires: [Init, Environment, ExecUser, Program],
  reversal: "terminal",
  run: Effect.gen(function*() {
    const { process } = yield* Init
    const envp = environmentFor(yield* Environment, yield* ExecUser)
    return yield* sys.execve({ path: (yield* Program).path, argv: process.args, envp })
  })
})

/** Stays as it is until it is killed: for roots without a program. */
const stay = Step.make("stay", {
  doc: "tell the parent by closing the channel, and wait",
  calls: ["close", "nanosleep"],
  requires: [Init],
  reversal: "terminal",
  run: Effect.gen(function*() {
    yield* sys.close({ fd: (yield* Init).channel })
    yield* sys.nanosleep({ nanoseconds: 60_000_000_000n })
  })
})

const own = <E>(name: string, run: Effect.Effect<unknown, E, Kernel>) =>
  Step.make(name, {
    doc: "a step of the test's own, which may make any call",
    calls: callNames,
    reversal: "irreversible",
    run: Effect.asVoid(run)
  })

/** What earlier steps of a whole pipeline give. */
const earlier = [
  Unreachable,
  NamespacesJoined,
  NamespacesMade,
  InNamespaces,
  NoNewPrivileges,
  DescriptorsClosed,
  StdioConnected,
  CapabilitiesSet,
  ProcessRestored,
  ParentDeathSignalSet,
  Forked,
  NamespaceRoot,
  LimitsSet
] as const

const runSteps = (steps: ReadonlyArray<Step.Any>, input: Init["Service"]) => {
  const facts = earlier.reduce(
    (all, { key }) => Context.add(all, Context.Service<true>(key), true),
    Context.make(Init, input) as Context.Context<never>
  )
  return Pipeline.runUnchecked(
    Pipeline.make({ name: "test", doc: "steps under test", inputs: [Init, ...earlier] }, ...(steps as unknown as []))
  ).pipe(Effect.provideContext(facts))
}

interface Failure {
  readonly message: string
  readonly step: string
  readonly tag: string
  readonly advice?: string
}

const failureOf = (exit: Exit.Exit<unknown, unknown>): Failure => {
  const failure = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
  const error = failure?._tag === "Fail"
    ? failure.error as Failure & { readonly reason?: Failure & { _tag: string } }
    : undefined
  return {
    message: error?.message ?? JSON.stringify(exit),
    step: error?.step ?? "",
    tag: error?.reason?._tag ?? "",
    ...(error?.advice === undefined ? {} : { advice: error.advice })
  }
}

/** The children of this process, by pid. */
const children = (): ReadonlyArray<number> =>
  fs.readFileSync(`/proc/self/task/${nodeProcess.pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number)

const killed = (pid: number) =>
  Effect.andThen(
    Effect.ignore(sys.kill({ pid, signal: c.SIG.KILL })),
    sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.EXITED })
  )

/**
 * Runs steps in a child up to its exec, looks at it, and kills it. `prepare` runs in this process while the child waits
 * for it; the child that is looked at is the last one, if it cloned anew.
 */
const look = <A>(
  { flags = 0, given = {}, prepare = () => {}, steps }: {
    readonly given?: Given
    readonly steps: ReadonlyArray<Step.Any>
    readonly flags?: number
    readonly prepare?: (pid: number) => void
  },
  see: (pid: number) => A | Effect.Effect<A, unknown, Kernel>
) =>
  Effect.gen(function*() {
    const fork = yield* Fork
    const [readEnd, writeEnd] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
    const [waits, goes] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
    const before = children()
    const first = yield* fork.spawn(
      flags,
      Effect.gen(function*() {
        yield* sys.close({ fd: readEnd })
        yield* sys.close({ fd: goes })
        yield* sys.read({ fd: waits, count: 1 })
        const input = init({ parentPid: nodeProcess.pid, channel: writeEnd, ...given })
        const exit = yield* Effect.exit(runSteps(steps, input))
        yield* sys.write({ fd: writeEnd, data: Buffer.from(JSON.stringify(failureOf(exit))) })
        return yield* sys.exit_group({ status: 1 })
      })
    )
    yield* sys.close({ fd: writeEnd })
    yield* sys.close({ fd: waits })
    prepare(first)
    yield* sys.close({ fd: goes })
    const text = yield* readAll(readEnd)
    yield* sys.close({ fd: readEnd })
    const all = children().filter((pid) => !before.includes(pid))
    const ended = Effect.forEach(all, killed, { discard: true })
    if (text !== "") {
      yield* ended
      const { tag, ...failure } = JSON.parse(text) as Failure
      return yield* Effect.fail(Object.assign(new ChildFailed({ message: failure.message, reason: tag }), { failure }))
    }
    const pid = all.at(-1)!
    return yield* Effect.ensuring(
      Effect.andThen(
        // the channel closes in the middle of an exec, before the new credentials hold; who sleeps has left exec behind
        eventually(() => {
          const { State = "" } = status(pid)
          // the channel closes with a crash, too
          assert.notInclude("ZX", State.charAt(0), `the child ended before it was looked at: ${State}`)
          return State.startsWith("S")
        }),
        Effect.suspend(() => {
          const seen = see(pid)
          return Effect.isEffect(seen) ? seen : Effect.succeed(seen)
        })
      ),
      Effect.ignore(ended)
    )
  })

/** How a child fails that runs steps. */
const failing = (options: Parameters<typeof look>[0]) =>
  Effect.map(
    Effect.flip(look(options, () => "it did not fail")),
    (error) => error as ChildFailed & { readonly failure?: Failure }
  )

// ── what a process looks like from outside ───────────────────────────────────────────────────────────────────────────

const status = (pid: number): Readonly<Record<string, string>> =>
  Object.fromEntries(
    fs.readFileSync(`/proc/${pid}/status`, "utf8").trim().split("\n").map((line) => {
      const [key = "", value = ""] = line.split(/:\s*/, 2)
      return [key, value.trim().replaceAll("\t", " ")]
    })
  )

const limit = (pid: number, name: string): string =>
  fs.readFileSync(`/proc/${pid}/limits`, "utf8").split("\n").find((line) => line.startsWith(name))!
    .slice(name.length).trim().split(/\s+/).slice(0, 2).join(" ")

const descriptors = (pid: number): ReadonlyArray<string> => fs.readdirSync(`/proc/${pid}/fd`)

const namespace = (pid: number | "self", type: string): string => fs.readlinkSync(`/proc/${pid}/ns/${type}`)

const hex = (...names: ReadonlyArray<Capabilities.Name>): string =>
  Capabilities.toBits(names.map((name) => Capabilities.numbers[name])).toString(16).padStart(16, "0")

const none = hex()

const capabilities = (
  names: ReadonlyArray<Capabilities.Name>,
  more: { readonly ambient?: ReadonlyArray<Capabilities.Name>; readonly bounding?: ReadonlyArray<Capabilities.Name> } =
    {}
) => {
  const numbersOf = (list: ReadonlyArray<Capabilities.Name>) => list.map((name) => Capabilities.numbers[name])
  return {
    bounding: numbersOf(more.bounding ?? names),
    effective: numbersOf(names),
    permitted: numbersOf(names),
    inheritable: numbersOf(more.ambient ?? []),
    ambient: numbersOf(more.ambient ?? [])
  }
}

const sleeping = { args: ["sleep", "60"], env: ["PATH=/usr/bin:/bin"] }
const user = (uid: number, gid: number, ...additionalGids: ReadonlyArray<number>) =>
  ({ _tag: "Ids", uid, gid, additionalGids }) as const

const hostHas = (name: Capabilities.Name): boolean =>
  (BigInt(`0x${status(nodeProcess.pid)["CapBnd"]}`) & Capabilities.toBits([Capabilities.numbers[name]])) !== 0n

const setsOf = (pid: number) => {
  const { CapAmb, CapBnd, CapEff, CapInh, CapPrm } = status(pid)
  return { CapInh, CapPrm, CapEff, CapBnd, CapAmb }
}

layer(Linux.layer)("credentials", (it) => {
  describe("capabilities", () => {
    it.effect("root has exactly three, through exec too", () =>
      look({
        steps: [...finalize, exec],
        given: { process: { ...sleeping, capabilities: capabilities(["CHOWN", "KILL", "NET_BIND_SERVICE"]) } }
      }, (pid) => {
        const three = hex("CHOWN", "KILL", "NET_BIND_SERVICE")
        assert.deepStrictEqual(setsOf(pid), { CapInh: none, CapPrm: three, CapEff: three, CapBnd: three, CapAmb: none })
      }))

    it.effect("a user keeps the ambient ones through exec, and nothing else", () =>
      look({
        steps: [...finalize, exec],
        given: {
          process: {
            ...sleeping,
            user: user(1000, 1001, 4, 27),
            noNewPrivileges: true,
            capabilities: capabilities(["NET_BIND_SERVICE", "CHOWN"], { ambient: ["NET_BIND_SERVICE"] })
          }
        }
      }, (pid) => {
        const one = hex("NET_BIND_SERVICE")
        assert.deepStrictEqual(setsOf(pid), {
          CapInh: one,
          CapPrm: one,
          CapEff: one,
          CapBnd: hex("NET_BIND_SERVICE", "CHOWN"),
          CapAmb: one
        })
        const { Gid, Groups, NoNewPrivs, Uid } = status(pid)
        assert.deepStrictEqual({ Gid, Groups, NoNewPrivs, Uid }, {
          Uid: "1000 1000 1000 1000",
          Gid: "1001 1001 1001 1001",
          Groups: "4 27",
          NoNewPrivs: "1"
        })
      }))

    it.effect("a user without ambient ones has none after exec", () =>
      look({
        steps: [...finalize, exec],
        given: { process: { ...sleeping, user: user(1000, 1000), capabilities: capabilities(["CHOWN"]) } }
      }, (pid) => {
        assert.deepStrictEqual(
          setsOf(pid),
          { CapInh: none, CapPrm: none, CapEff: none, CapBnd: hex("CHOWN"), CapAmb: none }
        )
        assert.strictEqual(status(pid)["NoNewPrivs"], "0")
      }))

    it.effect("a user has them before exec, kept over the change of the user", () =>
      look({
        steps: [...finalize, stay],
        given: { process: { ...sleeping, user: user(1000, 1000), capabilities: capabilities(["CHOWN", "KILL"]) } }
      }, (pid) => {
        const two = hex("CHOWN", "KILL")
        assert.deepStrictEqual(setsOf(pid), { CapInh: none, CapPrm: two, CapEff: two, CapBnd: two, CapAmb: none })
      }))

    it.effect("none at all: the bounding set is empty up to the kernel's last capability", () =>
      look(
        { steps: [...finalize, exec], given: { process: { ...sleeping, capabilities: capabilities([]) } } },
        (pid) => {
          assert.deepStrictEqual(setsOf(pid), { CapInh: none, CapPrm: none, CapEff: none, CapBnd: none, CapAmb: none })
        }
      ))

    it.effect("are left alone where none are configured", () =>
      look({ steps: [...finalize, exec], given: { process: sleeping } }, (pid) => {
        assert.deepStrictEqual(setsOf(pid), setsOf(nodeProcess.pid))
      }))

    it.effect("that the host lacks are named", (context) =>
      Effect.gen(function*() {
        if (hostHas("SYS_RESOURCE")) return context.skip("this host has CAP_SYS_RESOURCE")
        const run = (more: Parameters<typeof capabilities>[1]) =>
          failing({
            steps: [...finalize, exec],
            given: { process: { ...sleeping, capabilities: capabilities(["KILL", "SYS_RESOURCE"], more) } }
          })
        const bounding = yield* run({})
        assert.include(bounding.message, "process.capabilities.bounding asks for what can't be had: CAP_SYS_RESOURCE")
        assert.strictEqual(bounding.failure?.step, "dropBoundingSet")
        const permitted = yield* run({ bounding: ["KILL"] })
        assert.include(permitted.message, "process.capabilities.permitted asks for what can't be had: CAP_SYS_RESOURCE")
        assert.strictEqual(permitted.failure?.step, "dropCapabilities")
      }))

    it.effect("can't leave the bounding set without CAP_SETPCAP", () =>
      Effect.gen(function*() {
        const dropAll = own("dropAll", sys.capset({ effective: 0n, permitted: 0n, inheritable: 0n }))
        const error = yield* failing({
          steps: [dropAll, ...finalize, exec],
          given: { process: { ...sleeping, capabilities: capabilities([]) } }
        })
        assert.strictEqual(error.reason, "BoundingSetLocked")
      }))
  })

  describe("the program starts as from a shell", () => {
    it.effect("signals, limit of descriptors, descriptors", () =>
      Effect.gen(function*() {
        assert.notStrictEqual(
          status(nodeProcess.pid)["SigIgn"],
          none,
          "Node ignores signals; else this test shows nothing"
        )
        const [left] = yield* sys.pipe2({ flags: 0 })
        const block = own("block", sys.rt_sigprocmask({ how: c.SIG_HOW.BLOCK, signals: [c.SIG.TERM] }))
        yield* look({
          steps: [block, ...finalize, exec],
          given: { process: sleeping, nofile: { soft: 123n, hard: 456n } }
        }, (pid) => {
          const { SigBlk, SigIgn } = status(pid)
          assert.deepStrictEqual({ SigBlk, SigIgn }, { SigBlk: none, SigIgn: none })
          assert.strictEqual(limit(pid, "Max open files"), "123 456")
          assert.deepStrictEqual(descriptors(pid), ["0", "1", "2"], `descriptor ${left} was open`)
        })
      }))

    it.effect("with preserved descriptors", () =>
      Effect.gen(function*() {
        const preserve = own(
          "preserve",
          Effect.gen(function*() {
            const [one, two] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
            // high first: they must not land on each other
            yield* sys.dup3({ oldfd: one, newfd: 203, flags: c.O.CLOEXEC })
            yield* sys.dup3({ oldfd: two, newfd: 204, flags: c.O.CLOEXEC })
            yield* sys.dup3({ oldfd: 203, newfd: 3, flags: c.O.CLOEXEC })
            yield* sys.dup3({ oldfd: 204, newfd: 4, flags: c.O.CLOEXEC })
          })
        )
        yield* look({ steps: [preserve, ...finalize, exec], given: { process: sleeping, preservedFds: 2 } }, (pid) => {
          assert.deepStrictEqual(descriptors(pid), ["0", "1", "2", "3", "4"])
          assert.match(fs.readlinkSync(`/proc/${pid}/fd/3`), /^pipe:/)
        })
      }))

    it.effect("descriptors are closed on kernels without close_range too", () =>
      Effect.gen(function*() {
        const live = yield* Kernel
        const old: Kernel["Service"] = {
          invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
            call._tag === "close_range" ? Effect.fail(new SyscallError({ call, code: "ENOSYS" })) : live.invoke(call)
        }
        const open = own("open", sys.pipe2({ flags: 0 }))
        yield* Effect.provideService(
          look({ steps: [open, ...finalize, exec], given: { process: sleeping } }, (pid) => {
            assert.deepStrictEqual(descriptors(pid), ["0", "1", "2"])
          }),
          Kernel,
          old
        )
      }))

    it.effect("and until then nothing is open but that by which the process looks after the runtime", () =>
      Effect.gen(function*() {
        const open = own("open", sys.openat({ dirfd: c.AT.FDCWD, path: "/", flags: c.O.PATH, mode: 0 }))
        yield* look({ steps: [open, closeExecFrom, stay], given: { process: sleeping } }, (pid) => {
          const left = descriptors(pid).filter((fd) => Number(fd) > 2).map((fd) =>
            fs.readlinkSync(`/proc/${pid}/fd/${fd}`)
          )
          assert.match(left.join(), /^socket:\[\d+\]$/)
        })
      }))

    it.effect("the garbage collector of the runtime may run on the way", () =>
      Effect.gen(function*() {
        const litter = own(
          "litter",
          Effect.sync(() => {
            let kept: ReadonlyArray<unknown> = []
            for (let round = 0; round < 300; round++) {
              kept = Array.from({ length: 20_000 }, (_, index) => ({ index, kept: index }))
            }
            return kept.length
          })
        )
        for (let round = 0; round < 10; round++) {
          yield* look({ steps: [closeExecFrom, litter, stay], given: { process: sleeping } }, (pid) => {
            assert.match(status(pid)["State"]!, /^S/)
          })
        }
      }))

    it.effect("in its environment, with a home", () =>
      look({
        steps: [...finalize, exec],
        given: { process: { ...sleeping, env: ["A=1", "PATH=/usr/bin:/bin", "A=2"], user: user(0, 0) } }
      }, (pid) => {
        const home = fs.readFileSync("/etc/passwd", "utf8").split("\n").find((line) =>
          line.split(":")[2] === "0"
        )!.split(":")[5]
        assert.deepStrictEqual(
          fs.readFileSync(`/proc/${pid}/environ`, "utf8").split("\0"),
          ["PATH=/usr/bin:/bin", "A=2", `HOME=${home}`, ""]
        )
        assert.deepStrictEqual(fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"), ["sleep", "60", ""])
      }))
  })

  describe("limits and scheduling", () => {
    it.effect("are what the configuration says", () =>
      look({
        steps: [setOomScoreAdj, setScheduling, setUmask, setupRlimits, ...finalize, exec],
        given: {
          container: { personality: 8 },
          process: {
            ...sleeping,
            umask: 0o27,
            oomScoreAdj: 500,
            rlimits: [
              { resource: c.RLIMIT.NOFILE, soft: 100n, hard: 200n },
              { resource: c.RLIMIT.CORE, soft: 0n, hard: 0n }
            ],
            cpuAffinity: { final: [0] },
            scheduler: { policy: c.SCHED.BATCH, nice: 7, priority: 0, flags: 0, runtime: 0n, deadline: 0n, period: 0n },
            ioPriority: { class: c.IOPRIO_CLASS.IDLE, priority: 0 }
          }
        }
      }, (pid) => {
        assert.strictEqual(limit(pid, "Max open files"), "100 200")
        assert.strictEqual(limit(pid, "Max core file size"), "0 0")
        const { Cpus_allowed_list, Umask } = status(pid)
        assert.deepStrictEqual({ Cpus_allowed_list, Umask }, { Cpus_allowed_list: "0", Umask: "0027" })
        assert.strictEqual(fs.readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"), "500\n")
        assert.strictEqual(fs.readFileSync(`/proc/${pid}/personality`, "utf8"), "00000008\n")
        const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ")
        assert.strictEqual(stat[16], "7", "nice")
        assert.strictEqual(stat[38], String(c.SCHED.BATCH), "policy")
      }))

    it.effect("may allow fewer descriptors than Node has open", () =>
      look({
        steps: [setupRlimits, ...finalize, exec],
        given: { process: { ...sleeping, rlimits: [{ resource: c.RLIMIT.NOFILE, soft: 4n, hard: 5n }] } }
      }, (pid) => assert.strictEqual(limit(pid, "Max open files"), "4 5")))

    it.effect("an inherited affinity does not stay in a cpuset", () =>
      look({
        steps: [own("pin", sys.sched_setaffinity({ pid: 0, cpus: [0] })), setScheduling, ...finalize, exec],
        given: { process: sleeping, container: { cgroup: { devices: [], cpu: { cpus: "0-1" } } } }
      }, (pid) => {
        assert.strictEqual(status(pid)["Cpus_allowed_list"], status(nodeProcess.pid)["Cpus_allowed_list"])
      }))

    it.effect("a hard limit can't be raised without the right to", (context) =>
      Effect.gen(function*() {
        if (hostHas("SYS_RESOURCE")) return context.skip("this host has CAP_SYS_RESOURCE")
        const rlimits = [
          { resource: c.RLIMIT.CORE, soft: 1000n, hard: 1000n },
          { resource: c.RLIMIT.CORE, soft: 1000n, hard: 2000n }
        ]
        const error = yield* failing({ steps: [setupRlimits], given: { process: { rlimits } } })
        assert.strictEqual(error.reason, "RlimitError")
        assert.include(error.message, "can't set RLIMIT_CORE to soft 1000, hard 2000: EPERM")
        assert.include(error.failure?.advice, "CAP_SYS_RESOURCE")
      }))

    it.effect("the parent sets them from outside", () =>
      Effect.gen(function*() {
        yield* look({ steps: [...finalize, exec], given: { process: sleeping } }, (pid) =>
          Effect.map(
            applyRlimits(pid, [{ resource: c.RLIMIT.CORE, soft: 1000n, hard: 2000n }]),
            () => assert.strictEqual(limit(pid, "Max core file size"), "1000 2000")
          ))
      }))

    it.effect("the out-of-memory score is set in a user namespace, before its root is", () =>
      Effect.gen(function*() {
        const given = {
          process: { ...sleeping, oomScoreAdj: 300 },
          container: { namespaces: [{ type: "user" }] }
        } as const
        const options = { given, flags: c.CLONE.NEWUSER, prepare: mapIds }
        yield* look({ ...options, steps: [setOomScoreAdj, becomeNamespaceRoot, stay] }, (pid) => {
          assert.strictEqual(fs.readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"), "300\n")
        })
        const late = yield* failing({ ...options, steps: [becomeNamespaceRoot, setOomScoreAdj, stay] })
        assert.include(late.message, "EACCES")
      }))
  })

  describe("the working directory", () => {
    it.effect("of another user is entered by root before the user changes", () => {
      const cwd = path.join(directory, "private")
      fs.mkdirSync(cwd, { mode: 0o700 })
      return look({
        steps: [...finalize, exec],
        given: { process: { ...sleeping, cwd, user: user(1000, 1000) } }
      }, (pid) => assert.strictEqual(fs.readlinkSync(`/proc/${pid}/cwd`), cwd))
    })

    it.effect("that root may not enter is entered by the user", () => {
      const cwd = path.join(directory, "home")
      fs.mkdirSync(cwd, { mode: 0o700 })
      fs.chownSync(cwd, 1000, 1000)
      const names: ReadonlyArray<Capabilities.Name> = ["SETUID", "SETGID"]
      const bits = Capabilities.toBits(names.map((name) => Capabilities.numbers[name]))
      const weaken = own("weaken", sys.capset({ effective: bits, permitted: bits, inheritable: 0n }))
      return look({
        steps: [weaken, ...finalize, exec],
        given: { process: { ...sleeping, cwd, user: user(1000, 1000) } }
      }, (pid) => assert.strictEqual(fs.readlinkSync(`/proc/${pid}/cwd`), cwd))
    })

    it.effect("outside of the root is refused (CVE-2024-21626)", () =>
      Effect.gen(function*() {
        const root = path.join(directory, "jail")
        fs.mkdirSync(path.join(root, "etc"), { recursive: true })
        const leak = own(
          "leak",
          Effect.gen(function*() {
            const fd = yield* sys.openat({ dirfd: c.AT.FDCWD, path: "/etc", flags: c.O.PATH, mode: 0 })
            yield* sys.chroot({ path: root })
            yield* sys.fchdir({ fd })
          })
        )
        const error = yield* failing({
          steps: [populateEnv, leak, chdir, dropBoundingSet, setKeepCaps, setupUser, verifyWorkingDirectory],
          given: { process: { ...sleeping, cwd: "." } }
        })
        assert.strictEqual(error.reason, "OutsideOfRoot")
        assert.include(error.message, "the working directory . is outside of the container root: (unreachable)/etc")
      }))

    it.effect("that was removed is refused", () =>
      Effect.gen(function*() {
        const cwd = path.join(directory, "gone")
        fs.mkdirSync(cwd)
        const remove = own("remove", sys.unlinkat({ dirfd: c.AT.FDCWD, path: cwd, flags: c.AT.REMOVEDIR }))
        const error = yield* failing({
          steps: [populateEnv, chdir, remove, dropBoundingSet, setKeepCaps, setupUser, verifyWorkingDirectory],
          given: { process: { ...sleeping, cwd } }
        })
        assert.strictEqual(error.reason, "OutsideOfRoot")
      }))
  })

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

  describe("the terminal", () => {
    /** A root with a devpts of its own. */
    const enterRoot = (root: string) =>
      own(
        "enterRoot",
        Effect.gen(function*() {
          const mount = (source: string, target: string, type: string, data: string | null) =>
            sys.mount({ source, target, type, flags: 0, data })
          yield* sys.mount({ source: null, target: "/", type: null, flags: c.MS.REC | c.MS.PRIVATE, data: null })
          yield* sys.mount({ source: root, target: root, type: null, flags: c.MS.BIND, data: null })
          yield* mount("devpts", `${root}/dev/pts`, "devpts", "newinstance,ptmxmode=0666,mode=0620")
          yield* sys.chroot({ path: root })
          yield* sys.chdir({ path: "/" })
        })
      )

    const terminal = (name: string, seed: (root: string) => void = () => {}) =>
      Effect.gen(function*() {
        const root = path.join(directory, name)
        fs.mkdirSync(path.join(root, "dev/pts"), { recursive: true })
        seed(root)
        const [ours, theirs] = yield* sys.socketpair({ type: c.SOCK.STREAM | c.SOCK.CLOEXEC })
        return {
          root,
          ours,
          theirs,
          options: {
            flags: c.CLONE.NEWNS,
            given: {
              consoleSocket: theirs,
              container: { namespaces: [{ type: "mnt" }] },
              process: { terminal: true, consoleSize: { rows: 33, columns: 99 } }
            },
            steps: [enterRoot(root), startSession, openConsole, stay]
          } as const
        }
      })

    it.effect("is stdio, the controlling one, and /dev/console; its master is sent away", () =>
      Effect.gen(function*() {
        const { options, ours, root, theirs } = yield* terminal("terminal")
        yield* look(options, (pid) =>
          Effect.gen(function*() {
            for (const fd of ["0", "1", "2"]) {
              assert.strictEqual(fs.readlinkSync(`/proc/${pid}/fd/${fd}`), `${root}/dev/pts/0`)
            }
            const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ")
            assert.strictEqual(stat[3], String(pid), "session")
            assert.strictEqual(stat[4], String(136 << 8), "controlling terminal")
            assert.match(fs.readFileSync(`/proc/${pid}/mountinfo`, "utf8"), new RegExp(`/0 /dev/console .* devpts `))
            const { data, fds } = yield* sys.recvmsg({ fd: ours, size: 4096, flags: c.MSG.DONTWAIT })
            assert.strictEqual(Buffer.from(data).toString(), "/dev/ptmx")
            const master = fds[0]!
            assert.deepStrictEqual(yield* sys.ioctl_gwinsz({ fd: master }), { rows: 33, columns: 99 })
            yield* sys.write({ fd: master, data: Buffer.from("hi\n") })
            assert.strictEqual(Buffer.from(yield* sys.read({ fd: master, count: 100 })).toString(), "hi\r\n", "echo")
            yield* sys.close({ fd: master })
          }))
        assert.isTrue(fs.statSync(path.join(root, "dev/console")).isFile(), "bound in the container's namespace only")
        yield* sys.close({ fd: ours })
        yield* sys.close({ fd: theirs })
      }))

    it.effect("is not bound where the image's /dev/console leads (CVE-2025-52565)", () =>
      Effect.gen(function*() {
        const { options, ours, theirs } = yield* terminal("console-link", (root) => {
          fs.writeFileSync(path.join(root, "secret"), "")
          fs.symlinkSync("/secret", path.join(root, "dev/console"))
        })
        const error = yield* failing(options)
        assert.include(error.message, "ELOOP")
        assert.include(error.failure?.advice, "symlink")
        yield* sys.close({ fd: ours })
        yield* sys.close({ fd: theirs })
      }))

    it.effect("is not made of a file that only looks like a devpts", () =>
      Effect.gen(function*() {
        const { options, ours, theirs } = yield* terminal("fake", (root) => {
          fs.writeFileSync(path.join(root, "dev/pts/ptmx"), "")
        })
        const unmount = own("unmount", sys.umount2({ target: "/dev/pts", flags: c.MNT.DETACH }))
        const [enter, ...rest] = options.steps
        const error = yield* failing({ ...options, steps: [enter, unmount, ...rest] })
        assert.include(error.message, "/dev/pts is not a devpts")
        yield* sys.close({ fd: ours })
        yield* sys.close({ fd: theirs })
      }))
  })

  describe("the rest", () => {
    const inited = (steps: ReadonlyArray<Step.Any>, given: Given = {}) =>
      runSteps(steps, init({ parentPid: nodeProcess.pid, ...given }))

    it.effect("the parent-death signal outlives the change of the user", () =>
      Effect.gen(function*() {
        const steps = [
          populateEnv,
          saveParentDeathSignal,
          dropBoundingSet,
          setKeepCaps,
          setupUser,
          restoreParentDeathSignal,
          verifyParent
        ]
        const get = sys.prctl({ option: c.PR.GET_PDEATHSIG, arg2: 0, arg3: 0, arg4: 0, arg5: 0 })
        const given = { container: { parentDeathSignal: c.SIG.TERM }, process: { user: user(1000, 1000) } }
        assert.strictEqual(yield* inChild(0, Effect.andThen(inited(steps, given), get)), c.SIG.TERM)
        const cleared = steps.filter(({ name }) => name !== "restoreParentDeathSignal")
        assert.strictEqual(yield* inChild(0, Effect.andThen(inited(cleared, given), get)), 0)
      }))

    it.effect("another parent is noticed", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(inChild(0, inited([verifyParent], { parentPid: 1 })))
        assert.include(error.message, "the parent process is gone")
      }))

    it.effect("the process is not dumpable", () =>
      Effect.gen(function*() {
        const get = sys.prctl({ option: c.PR.GET_DUMPABLE, arg2: 0, arg3: 0, arg4: 0, arg5: 0 })
        assert.strictEqual(yield* inChild(0, get), 1)
        assert.strictEqual(yield* inChild(0, Effect.andThen(inited([protectProcess]), get)), 0)
      }))

    it.effect("the session keyring is the container's own, and a later process finds it by name", () =>
      Effect.gen(function*() {
        /** `KEY_SPEC_SESSION_KEYRING` of keyctl(2). */
        const session = -3
        const get = sys.keyctl({ operation: c.KEYCTL.GET_KEYRING_ID, arg2: session, arg3: 0 })
        const id = `runfx-test-${nodeProcess.pid}`
        const pair = Effect.gen(function*() {
          const before = yield* get
          yield* inited([sessionKeyring], { id })
          const joined = yield* inChild(0, Effect.andThen(inited([joinSessionKeyring], { id }), get))
          return { before, own: yield* get, joined }
        })
        const { before, joined, own } = yield* inChild(0, pair)
        assert.notStrictEqual(own, before)
        assert.strictEqual(joined, own)
      }))

    it.effect("a missing program is exit status 127, one without permission 126", () =>
      Effect.gen(function*() {
        fs.writeFileSync(path.join(directory, "plain"), "", { mode: 0o644 })
        const run = (program: string) =>
          failing({ steps: [...finalize, exec], given: { process: { ...sleeping, args: [program] } } })
        const missing = yield* run("no-such-program")
        assert.include(missing.message, "\"no-such-program\" is in no directory of PATH=/usr/bin:/bin")
        const plain = yield* run(path.join(directory, "plain"))
        assert.include(plain.message, "can't be executed by uid 0: permission denied")
        assert.strictEqual((yield* run(directory)).reason, "ProgramNotExecutable")
      }))

    it.effect("labels are refused where no security module takes them", (context) =>
      Effect.gen(function*() {
        const modules = fs.existsSync("/sys/kernel/security/lsm")
          ? fs.readFileSync("/sys/kernel/security/lsm", "utf8")
          : ""
        if (/apparmor|selinux/.test(modules)) return context.skip("this host has a security module")
        for (const process of [{ apparmorProfile: "box" }, { selinuxLabel: "a:b:c:s0" }]) {
          const error = yield* failing({ steps: [applyLabels], given: { process } })
          assert.strictEqual(error.reason, "LabelError")
          assert.include(error.failure?.advice, "is enabled")
        }
      }))
  })
})

/** Maps the first 65536 ids of a new user namespace to 100000 and up. */
const mapIds = (pid: number): void => {
  fs.writeFileSync(`/proc/${pid}/uid_map`, "0 100000 65536\n")
  fs.writeFileSync(`/proc/${pid}/gid_map`, "0 100000 65536\n")
}
