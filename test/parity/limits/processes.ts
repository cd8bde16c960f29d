/** How many processes a user may have. */
import { PR, RLIMIT } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { become, fork, join, line, prctl, start, uids, waitFor } from "../../support/vocabulary.ts"
import { limit, nobody, sleeper } from "./lines.ts"

export const processes: Readonly<Record<string, Scenario>> = {
  "a user has at most RLIMIT_NPROC processes": [
    ...become(nobody),
    limit(RLIMIT.NPROC, 2n, 2n),
    fork(0, [fork(0, []), limit(RLIMIT.NPROC, 1n, 2n), fork(0, [])]),
    limit(RLIMIT.NPROC, 1n, 2n),
    fork(0, [])
  ],
  "dead processes count until they are waited for": [
    ...become(nobody),
    limit(RLIMIT.NPROC, 2n, 2n),
    start("child", 0, []),
    join("child"),
    fork(0, []),
    waitFor("$child"),
    fork(0, [])
  ],
  "root has as many as it likes": [limit(RLIMIT.NPROC, 0n, 0n), fork(0, [])],
  "root without capabilities too": [
    limit(RLIMIT.NPROC, 0n, 0n),
    line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }),
    fork(0, [])
  ],
  "a user with CAP_SYS_ADMIN too": [
    limit(RLIMIT.NPROC, 0n, 0n),
    prctl(PR.SET_KEEPCAPS, 1),
    uids(nobody),
    fork(0, []),
    line("capset", { effective: 1n << 21n, permitted: 1n << 21n, inheritable: 0n }),
    fork(0, [])
  ],
  "becoming a user with too many processes succeeds, and exec then fails": [
    ...sleeper("other", become(nobody)),
    fork(0, [
      limit(RLIMIT.NPROC, 0n, 0n),
      ...become(nobody),
      line("execve", { path: "/bin/true", argv: ["true"], envp: [] })
    ]),
    fork(0, [
      limit(RLIMIT.NPROC, 1n, 1n),
      ...become(nobody),
      line("execve", { path: "/bin/true", argv: ["true"], envp: [] })
    ])
  ],
  "exec looks at the limit again": [
    ...sleeper("other", become(nobody)),
    fork(0, [
      limit(RLIMIT.NPROC, 0n, 10n),
      ...become(nobody),
      line("execve", { path: "missing", argv: ["true"], envp: [] }),
      limit(RLIMIT.NPROC, 10n, 10n),
      line("execve", { path: "missing", argv: ["true"], envp: [] })
    ])
  ],
  "exec after a limit that was lowered later does not look": [
    ...become(nobody),
    limit(RLIMIT.NPROC, 0n, 0n),
    line("execve", { path: "missing", argv: ["true"], envp: [] })
  ]
}
