/** Seccomp: what seccomp(2) takes, and what loaded filters do with the calls that follow. */
import * as Result from "effect/Result"
import type { Seccomp } from "../../src/config/Container.ts"
import * as Bpf from "../../src/native/bpf.ts"
import { CLONE, O, PR, SECCOMP, SECCOMP_FILTER_FLAG, SIG } from "../../src/native/constants.ts"
import { syscallNumbers } from "../../src/native/syscallTables.ts"
import { compile } from "../../src/steps/seccomp/compile.ts"
import { cwd, type Line, type Scenario } from "../support/parity.ts"
import { fork, join, kill, line, lookAt, mkdir, open, prctl, see, start, uids, waitFor } from "../support/vocabulary.ts"

const isArm = process.arch === "arm64"
const numbers = syscallNumbers(isArm ? "AARCH64" : "X86_64")

/** Instructions, each as operation, jumps and operand. */
const program = (...instructions: ReadonlyArray<readonly [number, number, number, number]>): Uint8Array => {
  const bytes = new Uint8Array(instructions.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [at, [operation, yes, no, k]] of instructions.entries()) {
    view.setUint16(at * 8, operation, true)
    view.setUint8(at * 8 + 2, yes)
    view.setUint8(at * 8 + 3, no)
    view.setUint32(at * 8 + 4, k, true)
  }
  return bytes
}

const [killProcess, killThread, trap, errno, notify, trace, log, allow] = [
  0x80000000,
  0,
  0x30000,
  0x50000,
  0x7fc00000,
  0x7ff00000,
  0x7ffc0000,
  0x7fff0000
] as const
const [EPERM, EACCES, ENOENT, ENOSPC] = [1, 13, 2, 28] as const

const allowAll = [Bpf.code.return, 0, 0, allow] as const
const load = (filter: Uint8Array, flags = 0): Line =>
  line("seccomp", { operation: SECCOMP.SET_MODE_FILTER, flags, program: filter })
const noNewPrivileges = prctl(PR.SET_NO_NEW_PRIVS, 1)

/** Answers one system call with a value; allows all others. */
const answering = (name: string, value: number): Uint8Array =>
  Bpf.assemble(Bpf.load(0, Bpf.branch("==", numbers.get(name)!, Bpf.ret(value), Bpf.ret(allow))))

/** Runs instructions, and refuses mkdirat with what the accumulator then holds. */
const refusingWith = (...instructions: ReadonlyArray<readonly [number, number, number, number]>): Uint8Array =>
  program(
    [0x20, 0, 0, 0],
    [0x15, 1, 0, numbers.get("mkdirat")!],
    allowAll,
    ...instructions,
    [0x54, 0, 0, 0xffff],
    [0x44, 0, 0, errno],
    [0x16, 0, 0, 0]
  )

const compiled = (over: Partial<Seccomp>): Uint8Array =>
  Result.getOrThrow(
    compile(
      { defaultAction: "SCMP_ACT_ALLOW", architectures: [], flags: [], syscalls: [], ...over },
      isArm ? "arm64" : "x64"
    )
  ).program

/** The condition that an argument is compared with a value. */
const when = (index: number, op: Seccomp["syscalls"][number]["args"][number]["op"], value: bigint, valueTwo = 0n) => ({
  index,
  op,
  value,
  valueTwo
})

const loading: Readonly<Record<string, Scenario>> = {
  "seccomp refuses unknown operations and flags": [
    line("seccomp", { operation: 99, flags: 0, program: program(allowAll) }),
    line("seccomp", { operation: 0, flags: 0, program: program(allowAll) }),
    load(program(allowAll), 0x80),
    load(program(allowAll), SECCOMP_FILTER_FLAG.LOG)
  ],
  "a listener and synchronized threads exclude each other, unless errors tell them apart": [
    load(program(allowAll), SECCOMP_FILTER_FLAG.NEW_LISTENER | SECCOMP_FILTER_FLAG.TSYNC),
    load(program(allowAll), SECCOMP_FILTER_FLAG.TSYNC),
    load(
      program(allowAll),
      SECCOMP_FILTER_FLAG.NEW_LISTENER | SECCOMP_FILTER_FLAG.TSYNC | SECCOMP_FILTER_FLAG.TSYNC_ESRCH
    )
  ],
  "waiting killably is for listeners": [
    load(program(allowAll), SECCOMP_FILTER_FLAG.WAIT_KILLABLE_RECV),
    load(program(allowAll), SECCOMP_FILTER_FLAG.WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG.NEW_LISTENER)
  ],
  "a process has one listener": [
    load(program(allowAll), SECCOMP_FILTER_FLAG.NEW_LISTENER),
    load(program(allowAll), SECCOMP_FILTER_FLAG.NEW_LISTENER),
    load(program(allowAll))
  ],
  "actions that the kernel has": [killProcess, killThread, trap, errno, notify, trace, log, allow, 1, 0x40000].map((
    one
  ) =>
    line("seccomp", {
      operation: SECCOMP.GET_ACTION_AVAIL,
      flags: 0,
      program: new Uint8Array(Uint32Array.of(one).buffer)
    })
  ),
  "asking for an action takes no flags": [
    line("seccomp", {
      operation: SECCOMP.GET_ACTION_AVAIL,
      flags: 1,
      program: new Uint8Array(Uint32Array.of(allow).buffer)
    })
  ],
  "somebody without capabilities loads filters once no_new_privs is set": [
    uids(1000),
    load(program(allowAll)),
    noNewPrivileges,
    load(program(allowAll))
  ],
  "the length is looked at before the right, the instructions behind it": [
    uids(1000),
    load(new Uint8Array(0)),
    load(program([0x16, 0, 0, 0], [0x20, 0, 0, 0])),
    noNewPrivileges,
    load(program([0x16, 0, 0, 0], [0x20, 0, 0, 0]))
  ],
  "root of a user namespace loads filters": [fork(CLONE.NEWUSER, [load(program(allowAll))])],
  "a program ends with a return": [
    load(program([0x20, 0, 0, 0])),
    load(program(allowAll, [0x20, 0, 0, 0])),
    load(program([0x20, 0, 0, 0], [0x16, 0, 0, 0]))
  ],
  "a program has at most 4096 instructions": [
    load(program(...Array.from({ length: 4095 }, () => [0x00, 0, 0, 1] as const), allowAll)),
    load(program(...Array.from({ length: 4096 }, () => [0x00, 0, 0, 1] as const), allowAll))
  ],
  "all filters of a process have at most 32768 instructions": Array.from(
    { length: 9 },
    () => load(program(...Array.from({ length: 4095 }, () => [0x00, 0, 0, 1] as const), allowAll))
  ),
  "jumps stay in the program": [
    load(program([0x05, 0, 0, 1], allowAll)),
    load(program([0x05, 0, 0, 0], allowAll)),
    load(program([0x05, 0, 0, 0xffffffff], allowAll)),
    load(program([0x15, 1, 0, 0], allowAll)),
    load(program([0x15, 0, 1, 0], allowAll)),
    load(program([0x15, 0, 0, 0], allowAll))
  ],
  "loads are whole words of the call's data": [1, 2, 60, 62, 64, 0xfffff000].map((offset) =>
    load(program(allowAll, [0x20, 0, 0, offset], allowAll))
  ),
  "bytes, halves, packets and remainders are not for seccomp": [0x28, 0x30, 0x40, 0x48, 0xb1, 0x94, 0x9c, 0xff].map((
    operation
  ) => load(program([operation, 0, 0, 4], allowAll))),
  "all other arithmetic is": [
    0x04,
    0x0c,
    0x14,
    0x1c,
    0x24,
    0x2c,
    0x34,
    0x3c,
    0x44,
    0x4c,
    0x54,
    0x5c,
    0x64,
    0x6c,
    0x74,
    0x7c,
    0x84,
    0xa4,
    0xac,
    0x07,
    0x87,
    0x80,
    0x81,
    0x01
  ].map((operation) => load(program([operation, 0, 0, 3], allowAll))),
  "a constant divisor is not zero, a constant shift below 32": [
    load(program([0x34, 0, 0, 0], allowAll)),
    load(program([0x34, 0, 0, 1], allowAll)),
    load(program([0x64, 0, 0, 32], allowAll)),
    load(program([0x64, 0, 0, 31], allowAll)),
    load(program([0x74, 0, 0, 32], allowAll)),
    load(program([0x3c, 0, 0, 0], allowAll))
  ],
  "memory has 16 words, written before they are read": [
    load(program([0x02, 0, 0, 15], [0x60, 0, 0, 15], allowAll)),
    load(program([0x02, 0, 0, 16], allowAll)),
    load(program([0x60, 0, 0, 0], allowAll)),
    load(program([0x61, 0, 0, 0], allowAll)),
    load(program([0x03, 0, 0, 3], [0x61, 0, 0, 3], allowAll))
  ],
  "memory is written on every way to where it is read": [
    load(program([0x15, 0, 1, 0], [0x02, 0, 0, 1], [0x60, 0, 0, 1], allowAll)),
    load(program([0x15, 0, 2, 0], [0x02, 0, 0, 1], [0x05, 0, 0, 1], [0x02, 0, 0, 1], [0x60, 0, 0, 1], allowAll))
  ],
  "status tells of filters": [
    ...lookAt("/proc/self/status", /^Seccomp/),
    load(program(allowAll)),
    load(program(allowAll)),
    ...lookAt("/proc/self/status", /^Seccomp/)
  ]
}

const outcomes: Readonly<Record<string, Scenario>> = {
  "a filter refuses with its errno": [
    mkdir("before"),
    load(answering("mkdirat", errno | ENOSPC)),
    mkdir("after"),
    open("after", O.RDONLY)
  ],
  "errno 0 is a success that did nothing": [
    load(answering("mkdirat", errno)),
    mkdir("d"),
    open("d", O.RDONLY | O.DIRECTORY)
  ],
  "the log action lets a call go on": [load(answering("mkdirat", log)), mkdir("d"), open("d", O.RDONLY | O.DIRECTORY)],
  "tracing without a tracer, and asking without a listener, are unknown calls": [
    load(answering("mkdirat", trace)),
    load(answering("symlinkat", notify)),
    mkdir("d"),
    line("symlinkat", { target: "x", dirfd: cwd, path: "s" })
  ],
  "killing the process": [fork(0, [load(answering("mkdirat", killProcess)), mkdir("d"), mkdir("e")])],
  "killing the thread, of which there is one": [fork(0, [load(answering("mkdirat", killThread)), mkdir("d")])],
  "a trap without a handler": [fork(0, [load(answering("mkdirat", trap)), mkdir("d")])],
  "a trap kills though SIGSYS be blocked": [
    fork(0, [
      line("rt_sigprocmask", { how: 0, signals: [SIG.SYS] }),
      load(answering("mkdirat", trap)),
      mkdir("d")
    ])
  ],
  "a trap kills though SIGSYS be ignored": [
    fork(0, [
      line("rt_sigaction", { signal: SIG.SYS, disposition: "SIG_IGN" }),
      load(answering("mkdirat", trap)),
      mkdir("d")
    ])
  ],
  "an unknown action kills": [fork(0, [load(answering("mkdirat", 0x12340000)), mkdir("d")])],
  "the init of a pid namespace is killed too": [
    fork(CLONE.NEWPID, [load(answering("mkdirat", killProcess)), mkdir("d")])
  ],
  "how a killed process is told to its parent": [
    start("child", 0, [load(answering("mkdirat", killProcess)), mkdir("d")]),
    join("child"),
    waitFor("$child")
  ],
  "the newest of equal answers counts": [
    load(answering("mkdirat", errno | EACCES)),
    load(answering("mkdirat", errno | ENOENT)),
    mkdir("d")
  ],
  "an errno comes before tracing, logging and allowing": [
    load(answering("mkdirat", errno | EACCES)),
    load(answering("mkdirat", trace)),
    load(answering("mkdirat", log)),
    load(answering("mkdirat", allow)),
    mkdir("d")
  ],
  "killing comes before an errno, whichever is newer": [
    fork(0, [load(answering("mkdirat", killThread)), load(answering("mkdirat", errno | EPERM)), mkdir("d")]),
    fork(0, [load(answering("mkdirat", errno | EPERM)), load(answering("mkdirat", killProcess)), mkdir("d")])
  ],
  "a trap comes before an errno": [
    fork(0, [load(answering("mkdirat", errno | EPERM)), load(answering("mkdirat", trap)), mkdir("d")])
  ],
  "children inherit filters, the parent none of theirs": [
    fork(0, [load(answering("mkdirat", errno | EPERM)), fork(0, [mkdir("a")]), mkdir("b")]),
    mkdir("c")
  ],
  "filters go with a process into a pid namespace": [
    load(answering("mkdirat", errno | EPERM)),
    fork(CLONE.NEWPID, [mkdir("a")])
  ],
  "a filter can refuse further filters": [
    load(answering("seccomp", errno | EPERM)),
    load(program(allowAll)),
    mkdir("d")
  ],
  "a filter can refuse to set no_new_privs, and comes before all checks of the call": [
    load(answering("prctl", errno | EACCES)),
    noNewPrivileges,
    prctl(9999)
  ],
  "a filter hides a call that would fail": [load(answering("kill", errno)), kill(99999999, SIG.TERM), kill(1, 999)]
}

const computing: Readonly<Record<string, Scenario>> = {
  "the accumulator is 32 bits": [
    load(refusingWith([0x00, 0, 0, 0xffffffff], [0x04, 0, 0, 3])),
    mkdir("d")
  ],
  "subtraction, product and quotient": [
    load(refusingWith([0x00, 0, 0, 20], [0x14, 0, 0, 6], [0x24, 0, 0, 3], [0x34, 0, 0, 4])),
    mkdir("d")
  ],
  "or, exclusive or, shifts and negation": [
    load(refusingWith([0x00, 0, 0, 5], [0x44, 0, 0, 8], [0xa4, 0, 0, 1], [0x64, 0, 0, 2], [0x74, 0, 0, 1])),
    mkdir("d"),
    load(refusingWith([0x00, 0, 0, 0xfffffff0], [0x84, 0, 0, 0])),
    mkdir("d")
  ],
  "the index register": [
    load(refusingWith([0x01, 0, 0, 7], [0x00, 0, 0, 4], [0x0c, 0, 0, 0])),
    mkdir("d"),
    load(refusingWith([0x00, 0, 0, 9], [0x07, 0, 0, 0], [0x00, 0, 0, 0], [0x87, 0, 0, 0])),
    mkdir("d")
  ],
  "memory": [
    load(refusingWith([0x00, 0, 0, 12], [0x02, 0, 0, 3], [0x00, 0, 0, 0], [0x60, 0, 0, 3])),
    mkdir("d"),
    load(refusingWith([0x01, 0, 0, 6], [0x03, 0, 0, 1], [0x60, 0, 0, 1])),
    mkdir("d")
  ],
  "the length of the data": [load(refusingWith([0x80, 0, 0, 0], [0x14, 0, 0, 40])), mkdir("d")],
  "dividing by a zero index kills": [
    fork(0, [load(refusingWith([0x01, 0, 0, 0], [0x00, 0, 0, 4], [0x3c, 0, 0, 0])), mkdir("d")])
  ],
  "comparisons with the index register": [0x1d, 0x2d, 0x3d, 0x4d].flatMap((operation) => [
    fork(0, [
      load(refusingWith([0x01, 0, 0, 5], [0x00, 0, 0, 5], [operation, 1, 0, 0], [0x00, 0, 0, 1], [0x04, 0, 0, 1])),
      mkdir("d")
    ]),
    fork(0, [
      load(refusingWith([0x01, 0, 0, 5], [0x00, 0, 0, 8], [operation, 1, 0, 0], [0x00, 0, 0, 1], [0x04, 0, 0, 1])),
      mkdir("d")
    ])
  ])
}

const profiles: Readonly<Record<string, Scenario>> = {
  "a compiled list of refused calls": [
    load(compiled({
      syscalls: [{ names: ["sethostname", "mkdirat"], action: "SCMP_ACT_ERRNO", args: [] }]
    })),
    mkdir("d"),
    line("sethostname", { name: "x" }),
    line("setdomainname", { name: "x" })
  ],
  "a compiled errno": [
    load(compiled({ syscalls: [{ names: ["mkdirat"], action: "SCMP_ACT_ERRNO", args: [], errnoRet: ENOENT }] })),
    mkdir("d")
  ],
  "a compiled filter kills": [
    fork(0, [
      load(compiled({ syscalls: [{ names: ["mkdirat"], action: "SCMP_ACT_KILL_PROCESS", args: [] }] })),
      mkdir("d")
    ])
  ],
  "a condition that masks an argument": [
    load(compiled({
      syscalls: [{
        names: ["unshare"],
        action: "SCMP_ACT_ERRNO",
        args: [when(0, "SCMP_CMP_MASKED_EQ", BigInt(CLONE.NEWUSER), BigInt(CLONE.NEWUSER))]
      }]
    })),
    line("unshare", { flags: CLONE.NEWUSER | CLONE.NEWUTS }),
    line("unshare", { flags: CLONE.NEWUTS })
  ],
  "conditions that compare an argument":
    (["SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT"] as const).map((op) =>
      fork(0, [
        load(compiled({
          syscalls: [{ names: ["personality"], action: "SCMP_ACT_ERRNO", args: [when(0, op, 0x20000n)] }]
        })),
        line("personality", { persona: 0x8 }, see),
        line("personality", { persona: 0x20000 }, see),
        line("personality", { persona: 0x40000 }, see)
      ])
    ),
  "an argument is 64 bits: a negative number is large": [
    load(compiled({
      syscalls: [{ names: ["kill"], action: "SCMP_ACT_ERRNO", args: [when(0, "SCMP_CMP_GT", 0xffffffffn)] }]
    })),
    kill(-99999999, 0),
    kill(99999999, 0)
  ],
  "conditions on two arguments must both hold": [
    load(compiled({
      syscalls: [{
        names: ["kill"],
        action: "SCMP_ACT_ERRNO",
        args: [when(0, "SCMP_CMP_EQ", 99999999n), when(1, "SCMP_CMP_EQ", 10n)]
      }]
    })),
    kill(99999999, 10),
    kill(99999999, 12),
    kill(99999998, 10)
  ],
  "a denying default with few calls allowed": [
    fork(0, [
      load(compiled({
        defaultAction: "SCMP_ACT_ERRNO",
        defaultErrnoRet: EACCES,
        syscalls: [{
          // what the machinery of the suite and the engine need
          names: [...numbers.keys()].filter((name) => !["mkdirat", "sethostname", "unshare", "mount"].includes(name)),
          action: "SCMP_ACT_ALLOW",
          args: []
        }]
      })),
      mkdir("d"),
      line("sethostname", { name: "x" }),
      line("unshare", { flags: CLONE.NEWUTS }),
      line("chdir", { path: "/" })
    ])
  ],
  "two compiled filters: the second forbids more": [
    load(compiled({ syscalls: [{ names: ["mkdirat"], action: "SCMP_ACT_ERRNO", args: [] }] })),
    load(compiled({ syscalls: [{ names: ["symlinkat"], action: "SCMP_ACT_ERRNO", args: [], errnoRet: ENOSPC }] })),
    mkdir("d"),
    line("symlinkat", { target: "x", dirfd: cwd, path: "s" }),
    line("unlinkat", { dirfd: cwd, path: "s", flags: 0 })
  ]
}

export const seccomp: Readonly<Record<string, Scenario>> = { ...loading, ...outcomes, ...computing, ...profiles }
