/** What commands are given, from TypeScript or not: refused with its place before anything is done, or done. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { decode } from "../../src/config/Config.ts"
import { ConfigError } from "../../src/config/ConfigError.ts"
import type { Container, Process } from "../../src/config/Container.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import { validate } from "../../src/config/validate.ts"
import { given } from "../../src/engine/given.ts"
import type { Kernel } from "../../src/native/Kernel.ts"
import { planExec, planRun } from "../../src/runtime/plan.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { ModelKernel } from "../../src/testing/Testing.ts"
import { changed, placesIn, strange, without } from "../support/mistakes.ts"

const container = defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"] })
const files = {
  "/srv/web/bin/server": { mode: 0o755, text: "\x7fELF" },
  "/srv/web/etc/passwd": "root:x:0:0::/root:/bin/sh\n"
}
const stateRoot = "/run/runfx"

/** As plain JavaScript has it: any value, for what is typed. */
const withProcess = (parts: object): Container => ({ ...container, process: { ...container.process, ...parts } })
const bind = { destination: "/data", type: "bind", source: "/srv", flags: 4096, clearedFlags: 0, propagation: [] }
const mounts = (mount: object): Container => ({ ...container, mounts: [...container.mounts, mount as never] })
const ids = (uid: unknown, gid: unknown = 0) => withProcess({ user: { _tag: "Ids", uid, gid, additionalGids: [] } })
const misspelt = (memory: object): Container => ({
  ...container,
  cgroup: { ...container.cgroup!, ...memory }
})
const lacking = (key: keyof Container | keyof Process): Container =>
  (key in container ? without(container, [key]) : without(container, ["process", key])) as Container

const mistakes: ReadonlyArray<readonly [name: string, made: Container, line: RegExp]> = [
  ["uid -1", ids(-1), /^process\.user\.uid = -1: must be a whole number from 0 to 4294967294$/],
  ["gid -1", ids(0, -1), /^process\.user\.gid = -1: must be a whole number from 0 to 4294967294$/],
  ["uid 2^32 - 1", ids(4294967295), /^process\.user\.uid = 4294967295: must be a whole number/],
  ["uid 2^32, which is 0 in 32 bits", ids(2 ** 32), /^process\.user\.uid = 4294967296: must be a whole number/],
  ["uid NaN", ids(Number.NaN), /^process\.user\.uid = "NaN": must be a number|must be a whole number/],
  ["uid as text", ids("1000"), /^process\.user\.uid = "1000": must be a number$/],
  ["no user", lacking("user"), /^process\.user: must be given$/],
  ["a user without its kind", withProcess({ user: { uid: 0, gid: 0 } }), /^process\.user = .*must be \{ _tag/],
  ["a relative cwd", withProcess({ cwd: "tmp" }), /^process\.cwd = "tmp": must be an absolute path$/],
  ["args as a text", withProcess({ args: "ls -l" }), /^process\.args = "ls -l": must be a list$/],
  [
    "names of capabilities",
    withProcess({
      capabilities: { bounding: ["CAP_KILL"], effective: [], permitted: [], inheritable: [], ambient: [] }
    }),
    /^process\.capabilities\.bounding\[0\] = "CAP_KILL": must be a capability from 0 to 40$/
  ],
  ["noNewPrivileges left out", lacking("noNewPrivileges"), /^process\.noNewPrivileges: must be given$/],
  ["memroy", misspelt({ memroy: { limit: 1n } }), /^cgroup\.memroy = .*: did you mean "memory"\?$/],
  [
    "a limit as a number",
    misspelt({ memory: { limit: 1024 } }),
    /^cgroup\.memory\.limit = 1024: must be a whole number .*as a bigint/
  ],
  [
    "a bind without its attributes",
    mounts({ ...bind, data: [], copyUp: false }),
    /recursiveAttributes: must be given$/
  ],
  ["no mounts", lacking("mounts"), /^mounts: must be given$/],
  [
    "null for a namespace",
    { ...container, namespaces: [null as never] },
    /^namespaces\[0\] = null: must be an object$/
  ],
  ["null for a container", null as never, /^container = null: must be an object$/],
  ["a list for a container", [] as never, /^container = \[\]: must be an object$/],
  ["no process", lacking("process"), /^process: must be given$/],
  ["a hole in args", withProcess({ args: Array(1) }), /^process\.args\[0\]: must be a text$/],
  ["half a character", withProcess({ args: ["\ud800"] }), /^process\.args\[0\] = .*must be Unicode/],
  ["half a character that is no byte", withProcess({ args: ["\udc7f"] }), /^process\.args\[0\] = .*must be Unicode/]
]

const problemsOf = <A, E>(exit: Exit.Exit<A, E>): ReadonlyArray<string> => {
  assert.isTrue(Exit.isFailure(exit), "it is taken")
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  assert.instanceOf(error, ConfigError, Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "")
  return (error as ConfigError).message.split("\n")
}

/** Runs on a fresh model, where nothing may have been made. */
const refusedBy = (command: Effect.Effect<unknown, unknown, Kernel>): ReadonlyArray<string> => {
  const model = ModelKernel.make({ cgroup: "v2", files })
  const before = [...model.state().cgroups.keys()]
  const lines = problemsOf(Effect.runSyncExit(Effect.provide(command, model.layer)))
  assert.deepStrictEqual([...model.state().cgroups.keys()], before)
  assert.deepStrictEqual(model.executed(), [])
  return lines
}

describe("the options of a start", () => {
  for (const [name, made, line] of mistakes) {
    it(`with ${name} are refused as validate refuses them`, () => {
      const options = { id: "web", container: made, stateRoot }
      const lines = refusedBy(Runtime.create(options) as Effect.Effect<unknown, unknown, Kernel>)
      assert.match(lines[0]!, line)
      assert.deepStrictEqual(refusedBy(Runtime.run(options) as Effect.Effect<unknown, unknown, Kernel>), lines)
      assert.deepStrictEqual(refusedBy(Runtime.launchOf(options)), lines)
      const told = new ConfigError({ problems: validate(made) }).message.split("\n")
      assert.deepStrictEqual(lines, told.map((one) => one.replace(/^the configuration/, "container")))
    })
    it.live(`with ${name} have no plan`, () =>
      Effect.map(
        Effect.exit(planRun({ id: "web", container: made, stateRoot })),
        (exit) => assert.match(problemsOf(exit)[0]!, line)
      ))
  }

  it.each<[name: string, parts: object, line: RegExp]>([
    ["no id", { id: undefined }, /^id: must be given$/],
    ["no container", { container: undefined }, /^container: must be given$/],
    ["an id that is a number", { id: 7 }, /^id = 7: must be a text$/],
    [
      "patience as a text that is no time",
      { patience: "5s" },
      /^patience = "5s": must be a time above 0 .*"10 seconds"$/
    ],
    ["patience for ever", { patience: "Infinity" }, /^patience = "Infinity": must be a time above 0 and below 25 days/],
    ["no patience at all", { patience: Number.NaN }, /^patience = "NaN": must be/],
    ["patience 0", { patience: 0 }, /^patience = 0: must be/],
    ["descriptors -1", { preservedFds: -1 }, /^preservedFds = -1: must be a whole number from 0/],
    [
      "two descriptors as stdio",
      { stdio: [7, 8] },
      /^stdio = \[7,8\]: must be three descriptors: input, output and error$/
    ],
    ["standard input as stdio", { stdio: [0, 8, 9] }, /^stdio\[0\] = 0: must be a whole number from 3/],
    [
      "a descriptor for standard input",
      { descriptors: { 0: 9 } },
      /^descriptors\.0: must be for a number from 3 to 255/
    ],
    ["a descriptor that is text", { descriptors: { 3: "9" } }, /^descriptors\.3 = "9": must be a whole number from 3/],
    [
      "a descriptor in place of another",
      { descriptors: { 3: 4, 4: 9 } },
      /^descriptors\.3 = 4: must not be a number that the program has one under/
    ],
    ["a console socket that is a path", { consoleSocket: "/tmp/s" }, /^consoleSocket = "\/tmp\/s": must be a whole/],
    ["a console socket -1", { consoleSocket: -1 }, /^consoleSocket = -1: must be a whole number/],
    ["a state root that is none", { stateRoot: 1 }, /^stateRoot = 1: must be a text$/],
    ["a type that is none", { type: "fast" }, /^type = "fast": must be one of "standard", "userns"$/],
    ["a flow that is a file", { flow: "./flow.mjs" }, /^flow = "\.\/flow\.mjs": must be a function$/],
    ["a strategy without a function", { strategies: [{ name: "x" }] }, /^strategies\[0\]\.create: must be given$/],
    ["an option that is none", { pateince: 5 }, /^pateince = 5: .*did you mean "patience"\?$/],
    ["scratch as text", { scratch: "yes" }, /^scratch = "yes": must be true or false$/]
  ])("with %s are refused", (_, parts, line) => {
    const options = { id: "web", container, stateRoot, ...parts } as Runtime.RunOptions
    assert.match(refusedBy(Runtime.run(options) as Effect.Effect<unknown, unknown, Kernel>)[0]!, line)
    assert.match(refusedBy(Runtime.launchOf(options))[0]!, line)
  })

  it.each<[Runtime.RunOptions["patience"], number]>([
    [250, 250],
    ["10 seconds", 10_000],
    [Duration.minutes(2), 120_000],
    [undefined, 60_000]
  ])("take a patience of %s", (patience, milliseconds) => {
    const model = ModelKernel.make({ cgroup: "v2", files })
    const options = { id: "web", container, stateRoot, ...given({ patience }) }
    const launch = Effect.runSync(Effect.provide(Runtime.launchOf(options), model.layer))
    assert.strictEqual(launch.patience, milliseconds)
  })

  it.each([undefined, null, 5, "web", []])("are refused where they are no options at all: %s", (options) => {
    const lines = refusedBy(Runtime.run(options as never) as Effect.Effect<unknown, unknown, Kernel>)
    assert.match(lines[0]!, /^options.*: must be an object$/)
  })

  it("are told by the document's names", () => {
    const names = { sections: { hostname: "host.name" }, fields: {}, offsets: {} }
    const made = { ...container, hostname: "x".repeat(65) }
    assert.match(refusedBy(Runtime.launchOf({ id: "web", container: made, names, stateRoot }))[0]!, /^host\.name = /)
  })

  it("are told by the document's names, also where only the host knows better", () => {
    const namespaces = [{ type: "mount" }, { type: "uts" }, { type: "network", path: "/run/netns/none" }]
    const document = { ociVersion: "1.2.0", root: { path: "/srv/none" }, process: { args: ["a"], cwd: "/" } }
    const text = JSON.stringify({ ...document, linux: { namespaces } })
    const { container, names } = Result.getOrThrow(decode(text, "/bundle"))
    assert.deepStrictEqual(refusedBy(Runtime.launchOf({ id: "web", container, names, stateRoot })), [
      "root.path = \"/srv/none\": must exist on the host",
      "linux.namespaces[2].path = \"/run/netns/none\": must exist on the host"
    ])
    const bare = JSON.stringify({ rootfs: "/srv/none", args: ["a"], namespaces: [{ type: "NEWNET", path: "/none" }] })
    const older = Result.getOrThrow(decode(bare, "/bundle"))
    const options = { id: "web", container: older.container, names: older.names, stateRoot }
    assert.deepStrictEqual(refusedBy(Runtime.launchOf(options)), [
      "rootfs = \"/srv/none\": must exist on the host",
      "namespaces[0].path = \"/none\": must exist on the host"
    ])
  })

  it.each<[name: string, flow: unknown, line: RegExp]>([
    ["returns nothing", () => undefined, /returned no pipeline/],
    ["returns a text", () => Effect.succeed("standard"), /returned no pipeline/],
    ["returns steps that are none", () => ({ steps: [1], inputs: [] }), /returned no pipeline/],
    ["throws", () => {
      throw new Error("no such step")
    }, /its function failed: no such step/]
  ])("with a flow that %s are refused by the flow's name", (_, flow, line) => {
    const model = ModelKernel.make({ files })
    const launch = Runtime.launchOf({ id: "web", container, stateRoot, flow: flow as never })
    const error = Effect.runSync(Effect.provide(Effect.flip(launch), model.layer))
    assert.strictEqual(error._tag, "FlowError")
    assert.match(error.message, line)
  })

  it("without capabilities give the program none", () => {
    const model = ModelKernel.make({ cgroup: "v2", files })
    const launch = Runtime.launchOf({ id: "web", container: lacking("capabilities"), stateRoot })
    const { container: started, process } = Effect.runSync(Effect.provide(launch, model.layer)).record
    const none = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] }
    assert.deepStrictEqual(process.capabilities, none)
    assert.deepStrictEqual(started.process.capabilities, none)
  })
})

describe("the options of a further process", () => {
  const exec = (parts: object, process: object = container.process) =>
    Effect.gen(function*() {
      yield* Runtime.create({ id: "web", container, stateRoot })
      return yield* Effect.exit(Runtime.exec({ id: "web", stateRoot, process, ...parts } as Runtime.ExecOptions))
    })
  const refused = (parts: object, process?: object): ReadonlyArray<string> => {
    const model = ModelKernel.make({ cgroup: "v2", files })
    const exit = Effect.runSync(Effect.provide(exec(parts, process), model.layer))
    assert.strictEqual(model.executed().length, 1)
    return problemsOf(exit)
  }

  for (const [name, { process }, line] of mistakes.filter(([, made]) => made?.process !== undefined)) {
    if (process === container.process) continue
    it(`with ${name} are refused`, () => {
      assert.match(refused({}, process)[0]!, line)
    })
    it.live(`with ${name} have no plan`, () =>
      Effect.map(
        Effect.exit(planExec(container, undefined, { id: "web", process })),
        (exit) => assert.match(problemsOf(exit)[0]!, line)
      ))
  }

  it.each<[parts: object, line: RegExp]>([
    [{ process: undefined }, /^process: must be given$/],
    [{ process: 5 }, /^process = 5: must be an object$/],
    [{ id: undefined }, /^id: must be given$/],
    [{ patience: -1 }, /^patience = -1: must be/],
    [{ preservedFds: 1.5 }, /^preservedFds = 1.5: must be/],
    [{ stateroot: "/x" }, /^stateroot = .*did you mean "stateRoot"\?$/]
  ])("%j are refused", (parts, line) => {
    assert.match(refused(parts)[0]!, line)
  })

  it("are refused by the inputs of its pipeline, too", () => {
    const model = ModelKernel.make({ cgroup: "v2", files })
    const options = { id: "web", process: container.process, patience: "soon" } as never
    const launch = Runtime.execLaunchOf(stateRoot, options)
    const [line] = problemsOf(Effect.runSyncExit(Effect.provide(launch, model.layer)))
    assert.match(line!, /^patience = "soon": must be a time/)
  })

  it("let a process without capabilities have none", () => {
    const model = ModelKernel.make({ cgroup: "v2", files })
    const launch = Effect.gen(function*() {
      yield* Runtime.create({ id: "web", container, stateRoot })
      const process = lacking("capabilities").process
      return (yield* Runtime.execLaunchOf(stateRoot, { id: "web", process })).launch
    })
    const { process } = Effect.runSync(Effect.provide(launch, model.layer)).record
    assert.deepStrictEqual(process.capabilities?.effective, [])
  })
})

describe("validate", () => {
  const rich: Container = {
    ...container,
    namespaces: [...container.namespaces, { type: "user" }],
    uidMappings: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
    gidMappings: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
    devices: container.devices.slice(0, 1),
    maskedPaths: ["/proc/kcore"],
    readonlyPaths: ["/proc/sys"],
    mounts: [container.mounts[1]!, { ...bind, recursiveAttributes: { set: 0, clear: 0 }, data: [], copyUp: false }],
    cgroup: {
      ...container.cgroup!,
      memory: { limit: 1n << 20n },
      cpu: { shares: 2n, cpus: "0" },
      pids: { limit: 5n },
      blockIO: { weight: 10, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1n }] },
      unified: { "memory.high": "1" }
    },
    sysctl: { "net.ipv4.ip_forward": "1" },
    seccomp: {
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: ["SCMP_ARCH_X86_64"],
      flags: [],
      syscalls: [{
        names: ["mkdir"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: 1,
        args: [{ index: 0, value: 1n, valueTwo: 0n, op: "SCMP_CMP_EQ" }]
      }]
    },
    process: { ...container.process, umask: 0o22, oomScoreAdj: 1, consoleSize: { rows: 1, columns: 1 } }
  }

  it("takes the container that the mistakes are made in", () => {
    assert.deepStrictEqual(validate(rich), [])
  })

  it("never throws, and names a place, whatever stands wherever", () => {
    let refused = 0
    for (const at of placesIn(rich)) {
      const made = [
        ...strange.map((value) => changed(rich, at, () => value)),
        ...(at.length ? [without(rich, at)] : [])
      ]
      for (const one of made) {
        const problems = validate(one as Container)
        if (problems.length > 0) refused++
        for (const { path } of problems) assert.isTrue(path !== "" || at.length === 0, at.join("."))
        // what is shown can be shown
        assert.isBelow(new ConfigError({ problems }).message.length, 100_000)
      }
    }
    assert.isAbove(refused, 3000)
  })

  it("refuses each key that is none, at its place", () => {
    for (const at of placesIn(rich)) {
      const made = changed(
        rich,
        at,
        (old) => typeof old === "object" && old !== null && !Array.isArray(old) ? { ...old, surely_none: 1 } : old
      ) as Container
      if (JSON.stringify(placesIn(made)) === JSON.stringify(placesIn(rich))) continue
      const record = ["sysctl", "annotations", "cgroup.unified"].includes(at.join("."))
      const told = validate(made).map(({ path }) => path)
      if (!record) assert.include(told, [...at, "surely_none"].join(".").replace(/\.(\d+)(?=\.|$)/g, "[$1]"))
    }
  })

  it("shows values without end, or none that JSON has", () => {
    const shown = strange.map((value) =>
      new ConfigError({ problems: [{ path: "p", value, rule: "must be good" }] }).message
    )
    assert.include(shown, "p = \"NaN\": must be good")
    assert.include(shown, "p = \"a function\": must be good")
  })

  it("takes variables that are redacted", () => {
    assert.deepStrictEqual(validate(withProcess({ env: ["A=1", Redacted.make("TOKEN=x")] })), [])
  })

  it("does not tell what the environment holds", () => {
    for (const env of [["SECRET"], ["A=SECRET\0"], ["=SECRET"], { A: "SECRET" }, [{ A: "SECRET" }], "SECRET"]) {
      const lines = new ConfigError({ problems: validate(withProcess({ env })) }).message
      assert.match(lines, /^process\.env/)
      assert.notInclude(lines, "SECRET")
    }
  })
})
