/** Filters that are compiled from lists of calls. */
import * as Result from "effect/Result"
import type { Seccomp } from "../../../src/config/Container.ts"
import { CLONE } from "../../../src/native/constants.ts"
import { compile } from "../../../src/steps/seccomp/compile.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { fork, kill, line, mkdir, see } from "../../support/vocabulary.ts"
import { EACCES, ENOENT, ENOSPC, isArm, load, numbers } from "./lines.ts"

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

export const profiles: Readonly<Record<string, Scenario>> = {
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
