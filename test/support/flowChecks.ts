/**
 * Runs the flows of the runtime on the model kernel with every call on record, and says what is wrong with what came out.
 *
 * A check gives a text for each rule that is broken, none where all is well; {@link verdict} makes one message of them,
 * with the calls that led there.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { toBits } from "../../src/config/capabilities.ts"
import { type Container, hasNamespace, hostId, makesNamespace, type Process } from "../../src/config/Container.ts"
import { CurrentStep } from "../../src/engine/Events.ts"
import type * as Pipeline from "../../src/engine/Pipeline.ts"
import { PipelineError } from "../../src/engine/PipelineError.ts"
import { transition } from "../../src/model/transitions.ts"
import { AT, CLONE, O, STATX } from "../../src/native/constants.ts"
import type { Errno } from "../../src/native/Errno.ts"
import { Fork, make as makeFork } from "../../src/native/Fork.ts"
import { type Call, Kernel, render, type Result, sys, SyscallError } from "../../src/native/Kernel.ts"
import { create } from "../../src/pipelines/create.ts"
import { exec } from "../../src/pipelines/exec.ts"
import { presets } from "../../src/pipelines/presets.ts"
import type { RunOptions } from "../../src/runtime/Runtime.ts"
import { raisable } from "../../src/steps/dropCapabilities.ts"
import { ModelKernel, Recorder, type State } from "../../src/testing/Testing.ts"
import {
  containerOf,
  hostOf,
  mappingsOf,
  type ProcessSetting,
  rootfs,
  type Setting,
  stateRoot
} from "./flowGenerators.ts"

/** How many cases a property takes: what it says, times `RUNFX_RUNS`. */
export const runs = (usual: number): number => Math.max(1, Math.round(usual * Number(process.env["RUNFX_RUNS"] ?? 1)))

/** Tells what a property has been tried with. */
export const report = (text: string): void => {
  process.stdout.write(`flows: ${text}\n`)
}

// ── calls on record ──────────────────────────────────────────────────────────────────────────────────────────────────

/** A call as it was made. */
export interface Seen {
  /** From 1 on, over all processes. */
  readonly number: number
  readonly side: string
  readonly pipeline: string
  readonly step: string
  readonly undoing: boolean
  readonly call: Call
}

/** What a run is subjected to. */
export interface Hooks {
  /** Makes a call fail. */
  readonly rule?: (seen: Seen) => Errno | undefined
  /** The call after which, or at which, the run is interrupted. */
  readonly interruptAt?: number
  /** How many operations a fiber makes before others have a turn; it goes on until it waits if absent. */
  readonly opsBeforeYield?: number
  /** The turn of a fiber, from 1 on, before which the run is interrupted. */
  readonly interruptAtTick?: number
  /** Before each call: what happens on the machine meanwhile. */
  readonly before?: (seen: Seen, model: ModelKernel.ModelKernel) => void
}

/** How a run came out. */
export interface Ran<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly model: ModelKernel.ModelKernel
  readonly seen: ReadonlyArray<Seen>
  /** Calls that were made to fail. */
  readonly failed: ReadonlyArray<Seen>
  /** Calls before which the run was interrupted. */
  readonly interrupted: ReadonlyArray<Seen>
  /** How many turns fibers had. */
  readonly ticks: number
  /** The machine at the moment of the last execve(2) or execveat(2), before it. */
  readonly atExec: State.State | undefined
}

/** What the programs of the model do: they go on until they are killed. */
export const programs = {
  "/bin/neighbour": { after: "never" },
  "/bin/server": { after: "never" },
  "/bin/tool": { after: "never" }
} as const

/** Runs an Effect on a machine. */
export const perform = <A, E>(
  state: State.State,
  act: Effect.Effect<A, E, Kernel | Fork>,
  hooks: Hooks = {}
): Ran<A, E> => {
  const model = ModelKernel.make(state, { programs })
  const seen: Array<Seen> = []
  const failed: Array<Seen> = []
  const interrupted: Array<Seen> = []
  let atExec: State.State | undefined
  let running: Fiber.Fiber<A, E> | undefined
  let children = 0
  const watched = <B, E2, R>(call: Call, effect: Effect.Effect<B, E2, R>): Effect.Effect<B, E2 | SyscallError, R> =>
    Effect.withFiber((fiber): Effect.Effect<B, E2 | SyscallError, R> => {
      const where = fiber.getRef(CurrentStep)
      const entry: Seen = {
        number: seen.length + 1,
        side: fiber.getRef(Recorder.Side),
        pipeline: where?.pipeline ?? "",
        step: where?.step ?? "",
        undoing: where?.undoing ?? false,
        call
      }
      seen.push(entry)
      hooks.before?.(entry, model)
      if (hooks.interruptAt === entry.number) {
        interrupted.push(entry)
        running?.interruptUnsafe()
      }
      const code = hooks.rule?.(entry)
      if (code !== undefined) {
        failed.push(entry)
        const refusal = Effect.fail(new SyscallError({ call, code }))
        // a descriptor is closed, whatever close(2) tells
        return call._tag === "close" ? Effect.andThen(Effect.exit(effect), refusal) : refusal
      }
      if (call._tag === "execve" || call._tag === "execveat") atExec = model.state()
      return effect
    })
  const kernel: Kernel["Service"] = {
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
      watched(call, model.kernel.invoke(call))
  }
  const fork = makeFork((flags, child, descriptors) =>
    Effect.suspend(() => {
      const side = ++children === 1 ? "init" : `init ${children}`
      return watched(
        { _tag: "clone", flags },
        model.fork.start(flags, Effect.provideService(child, Recorder.Side, side), descriptors)
      )
    })
  )
  const context = Context.make(Kernel, kernel).pipe(Context.add(Fork, fork))
  // one queue of tasks for all fibers, which is run here to its end: nothing is left to the event loop
  const sync = new Scheduler.MixedScheduler("sync")
  const tasks = sync.makeDispatcher()
  let ticks = 0
  const dispatcher: Scheduler.SchedulerDispatcher = {
    scheduleTask: (task, priority) =>
      tasks.scheduleTask(() => {
        if (++ticks === hooks.interruptAtTick) running?.interruptUnsafe()
        task()
      }, priority),
    flush: () => tasks.flush()
  }
  const { opsBeforeYield } = hooks
  const scheduler: Scheduler.Scheduler = {
    executionMode: "sync",
    // whoever goes first does so because the others wait, and not because of how many operations something takes
    shouldYield: (fiber) => opsBeforeYield !== undefined && fiber.currentOpCount >= opsBeforeYield,
    makeDispatcher: () => dispatcher
  }
  const fiber = Effect.runFork(Effect.andThen(Effect.yieldNow, Effect.provideContext(act, context)), { scheduler })
  running = fiber
  dispatcher.flush()
  const exit = fiber.pollUnsafe()
  if (exit === undefined) throw new Error(`the run does not end\n${trail({ failed, interrupted, seen })}`)
  return { exit, model, seen, failed, interrupted, ticks, atExec }
}

/** The last calls of a run, as text. */
const trail = (
  { failed, interrupted, seen }: Pick<Ran<unknown, unknown>, "failed" | "interrupted" | "seen">
): string => {
  const line = ({ call, number, pipeline, side, step, undoing }: Seen): string =>
    `  ${String(number).padStart(4)} ${side} ${pipeline}/${step}${undoing ? " (undo)" : ""}: ${
      render(call).slice(0, 180)
    }${
      failed.some((one) => one.number === number)
        ? "   ← made to fail"
        : interrupted.some((one) => one.number === number)
        ? "   ← interrupted here"
        : ""
    }`
  const at = [...failed, ...interrupted][0]?.number ?? seen.length
  const shown = seen.filter(({ number }) => number > at - 12 && number <= at + 28)
  return [...shown.map(line), ...(at + 28 < seen.length ? [`  … ${seen.length} calls in all`] : [])].join("\n")
}

/** Throws where something is wrong, with all of it and the calls that led there. */
export const verdict = (wrong: ReadonlyArray<string>, ran: Ran<unknown, unknown>): void => {
  if (wrong.length === 0) return
  const outcome = Exit.isSuccess(ran.exit) ? "it succeeded" : Cause.pretty(ran.exit.cause).split("\n    at ")[0]
  throw new Error(`${wrong.join("\n")}\n\noutcome: ${outcome}\ncalls:\n${trail(ran)}`)
}

// ── scenes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A host that is ready to start a container. */
export interface Scene {
  readonly setting: Setting
  readonly state: State.State
  /** The process that will call. */
  readonly caller: number
  /** The process beside it whose namespaces are joined; 0 for none. */
  readonly neighbour: number
  readonly container: Container
  readonly options: RunOptions
  /** What is random about a second program, where one is executed. */
  readonly exec?: ProcessSetting
}

/** The id of every container here. */
export const id = "web"

/** The same machine, with a process as the first one that a model made of it will let call. */
export const calledBy = (state: State.State, pid: number): State.State => {
  const processes = new Map(state.processes)
  const process = processes.get(pid)!
  processes.delete(pid)
  return { ...state, processes: processes.set(pid, process) }
}

const neighbourFlags = CLONE.NEWPID | CLONE.NEWNET | CLONE.NEWIPC | CLONE.NEWUTS

/** Sets a scene: the descriptors that are to be preserved, a process to join, one more child of the caller. */
export const sceneOf = (setting: Setting): Scene => {
  const options = hostOf(setting)
  const isRoot = setting.host.user === "root"
  const { bounding: _, capabilities: __, ...whole } = options
  const model = ModelKernel.make(whole, { programs })
  const program = sys.execve({ path: "/bin/neighbour", argv: ["neighbour"], envp: [] })
  const started = Effect.runSync(Effect.provide(
    Effect.gen(function*() {
      const fork = yield* Fork
      for (let fd = 0; fd < setting.process.preserved; fd++) {
        yield* sys.openat({ dirfd: AT.FDCWD, path: "/etc/passwd", flags: O.RDONLY, mode: 0 })
      }
      const neighbour = isRoot ? yield* fork.spawn(neighbourFlags, program) : 0
      if (setting.host.children) yield* fork.spawn(0, program)
      yield* sys.nanosleep({ nanoseconds: 1n })
      return neighbour
    }),
    model.layer
  ))
  const caller = model.pid
  const held = options.capabilities
  if (held !== undefined) {
    model.set((state) => {
      const self = state.processes.get(caller)!
      const creds = { ...self.creds, effective: held, permitted: held, bounding: held }
      return { ...state, processes: new Map(state.processes).set(caller, { ...self, creds }) }
    })
  }
  const container = containerOf(setting, started)
  return {
    setting,
    state: calledBy(model.state(), caller),
    caller,
    neighbour: started,
    container,
    options: { id, container, stateRoot, preservedFds: setting.process.preserved }
  }
}

// ── what must not be left ────────────────────────────────────────────────────────────────────────────────────────────

/** The paths below a stored directory; nothing of the container's own files, where what was made stays. */
const pathsBelow = (state: State.State, node: State.NodeId, path: string): ReadonlyArray<string> => {
  const content = typeof node === "number" ? state.nodes.get(node)?.content : undefined
  if (content?._tag !== "Directory" || path === rootfs) return []
  return [...content.entries].flatMap(([name, child]) => {
    const below = `${path}/${name}`
    return [below, ...pathsBelow(state, child, below)]
  })
}

/** Everything of the host that a container could leave something in, as texts. */
const traces = (state: State.State, caller: number): ReadonlySet<string> => {
  const host = state.processes.get(1)!
  const out: Array<string> = []
  for (const { pid, status } of state.processes.values()) out.push(`process ${pid} (${status})`)
  for (const { freeze, hierarchy, path } of state.cgroups.values()) {
    out.push(`cgroup ${hierarchy}:${path}`)
    if (freeze) out.push(`frozen cgroup ${hierarchy}:${path}`)
  }
  for (const { flags, id, ns, shared } of state.mounts.values()) {
    if (ns === host.ns.mnt) out.push(`mount ${id} ${flags} ${shared ?? ""}`)
  }
  for (const { addresses, name, ns, up } of state.links.values()) {
    if (ns === host.ns.net) out.push(`link ${name} ${up ? "up" : "down"} ${addresses.join(" ")}`)
  }
  for (const { destination, gateway, ns } of state.routes.values()) {
    if (ns === host.ns.net) out.push(`route ${destination ?? "default"} ${gateway ?? ""}`)
  }
  for (const fd of state.processes.get(caller)!.descriptors.keys()) out.push(`descriptor ${fd} of the caller`)
  for (const { id, type } of state.namespaces.values()) out.push(`${type} namespace ${id}`)
  for (const path of pathsBelow(state, host.root.node, "")) out.push(`file ${path}`)
  const own = new Set([0, ...Object.values(host.ns)].map((ns) => `${ns}:`))
  for (const [key, value] of state.sysctls) {
    if (own.has(key.slice(0, key.indexOf(":") + 1))) out.push(`${key}=${value}`)
  }
  out.push(`hostname ${(state.namespaces.get(host.ns.uts) as { readonly nodename: string }).nodename}`)
  return new Set(out)
}

/** What one state has and the other has not. */
export const leftovers = (before: State.State, after: State.State, caller: number): ReadonlyArray<string> => {
  const old = traces(before, caller)
  const now = traces(after, caller)
  return [
    ...[...now].filter((text) => !old.has(text)).map((text) => `left behind: ${text}`),
    ...[...old].filter((text) => !now.has(text)).map((text) => `gone: ${text}`)
  ]
}

/** Whether any process or cgroup stands still. */
export const frozen = (state: State.State): ReadonlyArray<string> =>
  [...state.cgroups.values()].filter(({ freeze }) => freeze).map(({ hierarchy, path }) =>
    `frozen: ${hierarchy}:${path}`
  )

// ── how a failure must look ──────────────────────────────────────────────────────────────────────────────────────────

/** By pipeline and step, the calls that are declared. */
const declarations = (all: ReadonlyArray<Pipeline.Any>): ReadonlyMap<string, ReadonlySet<string>> =>
  new Map(
    all.flatMap((pipeline) =>
      pipeline.steps.map((step) => [`${pipeline.name}/${step.name}`, new Set<string>(step.calls)] as const)
    )
  )

const declaredByPresets = declarations(presets)

/** Calls that a step made and did not declare; `flow` stands in place of the preset of its name. */
export const undeclared = (seen: ReadonlyArray<Seen>, flow?: Pipeline.Any): ReadonlyArray<string> => {
  const own = flow === undefined ? undefined : declarations([flow])
  const wrong = new Set<string>()
  for (const { call, pipeline, side, step } of seen) {
    // what a child does before and behind its pipeline has no step: what stands there is that of its parent
    if (step === "" || side !== "parent" && (pipeline === create.name || pipeline === exec.name)) continue
    const name = `${pipeline}/${step}`
    const calls = own?.get(name) ?? declaredByPresets.get(name)
    if (calls === undefined) wrong.add(`no such step: ${name}`)
    else if (!calls.has(call._tag)) wrong.add(`${name} makes the call ${call._tag}, which it does not declare`)
  }
  return [...wrong]
}

/** An error and those that it carries, outermost first. */
const chain = (error: unknown): ReadonlyArray<unknown> => {
  const out: Array<unknown> = []
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null || out.includes(value)) return
    out.push(value)
    for (const [key, field] of Object.entries(value)) if (key !== "rollback" && key !== "call") visit(field)
    // an error does not list it
    if (value instanceof Error) visit(value.cause)
  }
  visit(error)
  return out
}

/** Whether an errno is told, as a field or in the text. */
export const tells = (error: unknown, code: Errno): boolean =>
  chain(error).some((one) =>
    typeof one === "object" && one !== null &&
    ("code" in one && one.code === code || one instanceof Error && one.message.includes(code))
  )

/** The pipelines and steps that an error names. */
export const stepsOf = (error: unknown): ReadonlyArray<string> =>
  error instanceof PipelineError ? error.path.map(({ pipeline, step }) => `${pipeline}/${step}`) : []

/** Texts for what is wrong with a cause: defects, an undo out of order. */
export const wrongCause = (cause: Cause.Cause<unknown>, seen: ReadonlyArray<Seen>): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  if (Cause.hasDies(cause)) wrong.push("the failure is a defect")
  if (Cause.pretty(cause).includes("UnmodelledError")) wrong.push("the model does not know what was asked of it")
  for (const pipeline of presets) {
    const index = new Map(pipeline.steps.map(({ name }, at) => [name, at]))
    const undone = seen.filter((one) => one.undoing && one.pipeline === pipeline.name && one.side === "parent")
      .map(({ step }) => index.get(step)!)
    for (let at = 1; at < undone.length; at++) {
      if (undone[at]! > undone[at - 1]!) wrong.push(`${pipeline.name}: undone out of order`)
    }
    for (const error of cause.reasons.filter(Cause.isFailReason).flatMap(({ error }) => chain(error))) {
      if (!(error instanceof PipelineError) || error.pipeline !== pipeline.name) continue
      const order = error.undone.map((name) => index.get(name)!)
      if (order.some((step, at) => at > 0 && step >= order[at - 1]!)) {
        wrong.push(`${pipeline.name}: told as undone out of order: ${error.undone.join(", ")}`)
      }
      if (!index.has(error.step)) wrong.push(`${pipeline.name} has no step ${error.step}`)
    }
  }
  return wrong
}

// ── what a program must have been given ──────────────────────────────────────────────────────────────────────────────

const infinite = 2n ** 64n - 1n
const bits = (set: bigint): string => `0x${set.toString(16)}`

/** What the kernel makes of capability sets when a program without file capabilities is executed (capabilities(7)). */
const afterExec = (creds: State.Credentials, isRoot: boolean): Partial<State.Credentials> => {
  const gained = isRoot ? creds.inheritable | creds.bounding : 0n
  const allowed = creds.noNewPrivs ? gained & creds.permitted : gained
  const permitted = allowed | creds.ambient
  return {
    permitted,
    effective: isRoot ? permitted : creds.ambient,
    inheritable: creds.inheritable,
    ambient: creds.ambient,
    bounding: creds.bounding
  }
}

const homes: Readonly<Record<number, string>> = { 0: "/root", 7: "/", 1000: "/data" }
const accounts: Readonly<Record<string, readonly [number, number, ReadonlyArray<number>]>> = {
  root: [0, 0, []],
  web: [1000, 1000, [5, 20]],
  seven: [7, 5, []]
}

const environment = (env: ReadonlyArray<string>, home: string): ReadonlyArray<string> => {
  const name = (entry: string): string => entry.slice(0, entry.indexOf("="))
  const last = env.filter((entry, at) => !env.slice(at + 1).some((later) => name(later) === name(entry)))
  const hasHome = last.some((entry) => entry.startsWith("HOME=") && entry !== "HOME=")
  return hasHome ? last : [...last.filter((entry) => entry !== "HOME="), `HOME=${home}`]
}

/** Where a path leads that has no links in it. */
const plainPath = (path: string): string => {
  const parts: Array<string> = []
  for (const part of path.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return `/${parts.join("/")}`
}

/** Asks the machine as a process of it would. */
export const ask = <C extends Call>(state: State.State, pid: number, call: C): Result<C> | Errno => {
  const outcome = transition(state, pid, call)
  if (outcome._tag === "Returned") return outcome.result as Result<C>
  if (outcome._tag === "Refused") return outcome.code
  throw new Error(`${render(call)} did not return: ${outcome._tag}`)
}

const unmapped = (mappings: Container["uidMappings"], id: number): number => hostId(mappings, id) ?? -1

/** What is wrong with the program that a run started: the first one of a container, or one that joined `init`. */
export const wrongProgram = (
  scene: Scene,
  ran: Ran<unknown, unknown>,
  wanted: Process,
  init?: State.Executed
): ReadonlyArray<string> => {
  const { caller, container, neighbour, setting } = scene
  const program = ran.model.executed().at(-1)
  const before = program === undefined ? undefined : ran.atExec?.processes.get(program.pid)
  if (program === undefined || before === undefined) return ["no program was executed"]
  const { creds, limits, ns } = program.process
  const wrong: Array<string> = []
  const same = (what: string, actual: unknown, expected: unknown): void => {
    const text = (value: unknown): string =>
      typeof value === "bigint"
        ? bits(value)
        : JSON.stringify(value, (_, part) => typeof part === "bigint" ? bits(part) : part)
    if (text(actual) !== text(expected)) wrong.push(`${what}: ${text(actual)} in place of ${text(expected)}`)
  }
  same("argv", program.argv, wanted.args)

  // ids
  const maps = setting.userns ? mappingsOf(setting) : []
  const user = wanted.user._tag === "Ids"
    ? [wanted.user.uid, wanted.user.gid, []] as const
    : accounts[wanted.user.spec]!
  const uid = unmapped(maps, user[0])
  const gid = unmapped(maps, user[1])
  same("user ids", [creds.uid, creds.euid, creds.suid], [uid, uid, uid])
  same("group ids", [creds.gid, creds.egid, creds.sgid], [gid, gid, gid])
  const groups = [...new Set([...user[2], ...wanted.user.additionalGids])].map((group) => unmapped(maps, group))
  const bySize = (list: ReadonlyArray<number>) => list.toSorted((a, b) => a - b)
  if (setting.host.user === "root") same("groups", bySize(creds.groups), bySize(groups))

  // capabilities: as configured until exec, and then what exec makes of them
  if (wanted.capabilities !== undefined) {
    const { bounding, effective, inheritable, permitted } = wanted.capabilities
    same("effective", before.creds.effective, toBits(effective))
    same("permitted", before.creds.permitted, toBits(permitted))
    same("inheritable", before.creds.inheritable, toBits(inheritable))
    same("bounding", before.creds.bounding, toBits(bounding))
    same("ambient", before.creds.ambient, toBits(raisable(wanted.capabilities)))
  }
  const expected = afterExec(before.creds, user[0] === 0)
  for (const set of ["effective", "permitted", "inheritable", "bounding", "ambient"] as const) {
    same(`${set} after exec`, creds[set], expected[set])
  }
  same("no_new_privs", creds.noNewPrivs, wanted.noNewPrivileges)
  // one more program has the filter of its container
  same("filters", program.process.filters.length, container.seccomp === undefined ? 0 : 1)
  same("securebits", creds.securebits, 0)

  // descriptors, directory, environment
  const preserved = init === undefined ? setting.process.preserved : 0
  same("descriptors", bySize([...program.descriptors.keys()]), Array.from({ length: 3 + preserved }, (_, fd) => fd))
  same("working directory", program.cwd, plainPath(wanted.cwd))
  // a file that is masked tells nothing
  const home = container.maskedPaths.includes("/etc/passwd") ? "/" : homes[user[0]]!
  same("environment", program.envp, environment(wanted.env.map(String), home))

  // namespaces
  const host = ran.model.state().processes.get(caller)!.ns
  const types = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"] as const
  for (const type of types) {
    const given = container.namespaces.find((one) => one.type === type)
    const beside = ran.model.state().processes.get(neighbour)?.ns[type]
    if (init !== undefined) same(`${type} namespace`, ns[type], init.process.ns[type])
    else if (given === undefined) same(`${type} namespace`, ns[type], host[type])
    else if (given.path !== undefined) same(`${type} namespace`, ns[type], beside)
    else if (ns[type] === host[type] || ns[type] === beside) {
      wrong.push(`the ${type} namespace is not the container's own`)
    }
  }
  const { root } = program.process
  const rootMount = ran.model.state().mounts.get(root.mount)
  if (rootMount?.ns !== ns.mnt) wrong.push("the root is on a mount of another mount namespace")
  if (rootMount !== undefined && rootMount.fs === ran.model.state().processes.get(1)!.root.node) {
    wrong.push("the root is the host's")
  }
  if (init !== undefined) same("root", root, init.process.root)

  // the process
  if (wanted.umask !== undefined) same("umask", program.process.umask, wanted.umask)
  for (const { hard, resource, soft } of wanted.rlimits) {
    same(`limit ${resource}`, limits.get(resource) ?? { soft: infinite, hard: infinite }, { soft, hard })
  }
  // an exec that gives capabilities takes it, and nobody can set it again (commit_creds)
  const gains = (creds.permitted & ~before.creds.permitted) !== 0n
  same("parent-death signal", program.process.parentDeathSignal, gains ? 0 : container.parentDeathSignal ?? 0)
  if (wanted.oomScoreAdj !== undefined) same("oom_score_adj", program.process.oomScoreAdj, wanted.oomScoreAdj)
  if (wanted.scheduler !== undefined) same("nice", program.process.scheduler.nice, wanted.scheduler.nice)
  if (wanted.cpuAffinity !== undefined) same("processors", program.process.affinity, wanted.cpuAffinity.final)
  if (container.personality !== undefined) same("personality", program.process.personality, container.personality)
  same("session", [program.process.session, program.process.group], [program.pid, program.pid])
  same("ignored signals", [...program.process.dispositions.keys()], [])
  same("blocked signals", program.process.blocked, [])
  if (container.hostname !== undefined) same("hostname", program.hostname, container.hostname)
  if (container.domainname !== undefined) same("domainname", program.domainname, container.domainname)
  if (
    !container.noNewKeyring &&
    program.process.sessionKeyring === ran.model.state().processes.get(caller)!.sessionKeyring
  ) {
    wrong.push("the session keyring is the caller's")
  }
  return [...wrong, ...wrongCgroup(scene, ran, program), ...(init === undefined ? wrongFiles(scene, ran, program) : [])]
}

const wrongCgroup = (
  { caller, container }: Scene,
  ran: Ran<unknown, unknown>,
  program: State.Executed
): ReadonlyArray<string> => {
  const state = ran.model.state()
  const wrong: Array<string> = []
  for (const [hierarchy, path] of program.process.cgroups) {
    const own = state.processes.get(caller)!.cgroups.get(hierarchy)
    const { controllers } = state.hierarchies.get(hierarchy)!
    if (container.cgroup === undefined ? path !== own : path === own && controllers.length > 0) {
      wrong.push(`it is in the cgroup ${hierarchy}:${path}`)
    }
    const limit = state.cgroups.get(`${hierarchy}:${path}`)?.values.get("pids.max")
    if (container.cgroup?.pids !== undefined && controllers.includes("pids") && limit !== "50") {
      wrong.push(`pids.max is ${limit}`)
    }
  }
  return wrong
}

/** What steps and the kernel make below /dev. */
const ofContainersRoot = (container: Container): ReadonlyArray<string> =>
  ["/dev", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/ptmx", "/dev/pts", "/dev/pts/ptmx"].concat(
    container.mounts.map(({ destination }) => destination).filter((path) =>
      path === "/dev/shm" || path === "/dev/mqueue" && makesNamespace(container, "ipc")
    )
  )

/** What is wrong with the files that the first program of a container sees. */
const wrongFiles = (
  { container }: Scene,
  ran: Ran<unknown, unknown>,
  program: State.Executed
): ReadonlyArray<string> => {
  const state = ran.model.state()
  const wrong: Array<string> = []
  const lines = program.mountinfo.split("\n").filter((line) => line !== "").map((line) => line.split(" "))
  const at = (path: string) => lines.findLast((fields) => fields[4] === path)
  const isReadonly = (path: string) => at(path)?.[5]?.split(",").includes("ro")
  const covered = (path: string): boolean => container.mounts.some((mount) => mount.destination === path)
  if (container.readonlyRootfs && isReadonly("/") !== true) wrong.push("the root can be written")
  for (const { destination, flags } of container.mounts) {
    if (at(destination) === undefined) wrong.push(`nothing is mounted on ${destination}`)
    else if ((flags & 1) !== 0 && isReadonly(destination) !== true) wrong.push(`${destination} can be written`)
  }
  for (const path of container.maskedPaths) {
    if ((path === "/data" || path === "/etc/passwd" && !covered("/etc")) && at(path) === undefined) {
      wrong.push(`${path} is not masked`)
    }
  }
  for (const path of container.readonlyPaths) {
    if ((path === "/data" || path === "/etc") && !container.maskedPaths.includes(path) && isReadonly(path) !== true) {
      wrong.push(`${path} is not read-only`)
    }
  }
  // looked at as the machine's first process would inside of the container, whatever the program may
  const looking = new Map(state.processes).set(program.pid, {
    ...program.process,
    creds: { ...state.processes.get(1)!.creds }
  })
  const look = (path: string) =>
    ask({ ...state, processes: looking }, program.pid, {
      _tag: "statx",
      dirfd: AT.FDCWD,
      path,
      flags: AT.SYMLINK_NOFOLLOW,
      mask: STATX.BASIC_STATS
    })
  // whose root it is in a user namespace of another, that other knows
  const known = makesNamespace(container, "user") || !hasNamespace(container, "user")
  for (const path of known ? ofContainersRoot(container) : []) {
    const stat = look(path)
    if (typeof stat === "string") wrong.push(`${path}: ${stat}`)
    else if (stat.uid !== 0 || stat.gid !== 0) wrong.push(`${path} belongs to ${stat.uid}:${stat.gid}`)
  }
  for (const { major, minor, path, type } of container.devices) {
    const stat = look(path)
    const kind = { c: 0o020000, b: 0o060000, p: 0o010000 }[type]
    if (typeof stat === "string") wrong.push(`${path}: ${stat}`)
    else if (
      (stat.mode & 0o170000) !== kind || type !== "p" && (stat.rdev.major !== major || stat.rdev.minor !== minor)
    ) {
      wrong.push(`${path} is another node: ${stat.mode.toString(8)} ${stat.rdev.major}:${stat.rdev.minor}`)
    }
  }
  return wrong
}
