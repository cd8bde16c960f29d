/** What seccomp(2) takes. */
import { CLONE, SECCOMP, SECCOMP_FILTER_FLAG } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { fork, line, lookAt, uids } from "../../support/vocabulary.ts"
import {
  allow,
  allowAll,
  errno,
  killProcess,
  killThread,
  load,
  log,
  noNewPrivileges,
  notify,
  program,
  trace,
  trap
} from "./lines.ts"

export const loading: Readonly<Record<string, Scenario>> = {
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
