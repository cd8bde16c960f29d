/** Resource limits: prlimit(2). */
import { CLONE, RLIMIT } from "../../../src/native/constants.ts"
import { type Line, type Scenario } from "../../support/parityLines.ts"
import { become, fork, gate, gids, line, openGate, pass, readFile, see, start, uids } from "../../support/vocabulary.ts"
import { infinity, limit, nobody, sleeper } from "./lines.ts"

const ask = (resource: number, pid: string | number = 0): Line => line("prlimit64", { pid, resource, limit: null }, see)

export const resources: Readonly<Record<string, Scenario>> = {
  "limits are told": Object.values(RLIMIT).map((resource) => ask(resource)),
  "/proc/self/limits tells them too": readFile("/proc/self/limits"),
  "there are sixteen resources": [ask(16), ask(-1), ask(15), limit(16, 1n, 0n)],
  "the soft limit is not above the hard one": [
    limit(RLIMIT.CORE, 2n, 1n),
    limit(RLIMIT.CORE, 1n, 1n),
    limit(RLIMIT.CORE, 0n, 1n),
    ask(RLIMIT.CORE)
  ],
  "a hard limit is lowered for ever without CAP_SYS_RESOURCE": [
    limit(RLIMIT.FSIZE, 1000000n, 1000000n),
    fork(CLONE.NEWUSER, [limit(RLIMIT.FSIZE, 1000n, 1000001n), limit(RLIMIT.FSIZE, 1000n, 1000000n)]),
    ...become(nobody),
    limit(RLIMIT.FSIZE, 1000n, 1000001n),
    limit(RLIMIT.FSIZE, 1000n, 999999n),
    limit(RLIMIT.FSIZE, 999999n, 999999n),
    limit(RLIMIT.FSIZE, 999999n, infinity)
  ],
  "an infinite limit is above all others": [
    limit(RLIMIT.DATA, 1n << 63n, infinity),
    limit(RLIMIT.DATA, infinity, 1n << 63n)
  ],
  "open files are limited by fs.nr_open, whoever asks": [
    limit(RLIMIT.NOFILE, 100n, 1048577n),
    limit(RLIMIT.NOFILE, 100n, infinity),
    limit(RLIMIT.NOFILE, 600n, 700n)
  ],
  "children inherit limits": [
    limit(RLIMIT.CORE, 5n, 10n),
    fork(0, [ask(RLIMIT.CORE), limit(RLIMIT.CORE, 1n, 1n)]),
    ask(RLIMIT.CORE)
  ],
  "a new user namespace keeps limits": [
    limit(RLIMIT.MSGQUEUE, 5n, 10n),
    fork(CLONE.NEWUSER, [ask(RLIMIT.MSGQUEUE)])
  ],
  "prlimit of nobody": [ask(RLIMIT.CORE, 99999999), ask(99, 99999999), ask(RLIMIT.CORE, -1)],
  "prlimit of another with the same ids": [
    ...sleeper("other"),
    limit(RLIMIT.CORE, 1n, 2n, "$other"),
    ask(RLIMIT.CORE, "$other"),
    ask(RLIMIT.CORE)
  ],
  "prlimit of another user's process takes CAP_SYS_RESOURCE": [
    ...sleeper("other", become(nobody)),
    fork(0, [...become(nobody), ask(RLIMIT.CORE, "$other"), ask(99, "$other")]),
    fork(0, [...become(nobody + 1), ask(RLIMIT.CORE, "$other"), ask(99, "$other")]),
    ask(RLIMIT.CORE, "$other")
  ],
  "prlimit compares all three ids, and groups too": [
    ...sleeper("other", [
      line("setgroups", { groups: [] }),
      gids(nobody),
      line("setresuid", { ruid: nobody, euid: nobody, suid: nobody + 1 })
    ]),
    fork(0, [...become(nobody), ask(RLIMIT.CORE, "$other")]),
    ...sleeper("second", [line("setgroups", { groups: [] }), gids(nobody + 1), uids(nobody)]),
    fork(0, [...become(nobody), ask(RLIMIT.CORE, "$second")])
  ],
  "prlimit of a process in a user namespace of one's own": [
    gate("ready"),
    gate("asleep"),
    start("other", CLONE.NEWUSER, [openGate("ready"), pass("asleep")]),
    pass("ready"),
    limit(RLIMIT.CORE, 1n, 1n, "$other"),
    limit(RLIMIT.CORE, 1n, 2n, "$other")
  ]
}
