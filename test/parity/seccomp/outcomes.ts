/** What loaded filters do with the calls that follow. */
import * as Bpf from "../../../src/native/bpf.ts"
import { CLONE, O, SIG } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { fork, join, kill, line, mkdir, open, prctl, start, waitFor } from "../../support/vocabulary.ts"
import {
  allow,
  allowAll,
  EACCES,
  ENOENT,
  ENOSPC,
  EPERM,
  errno,
  killProcess,
  killThread,
  load,
  log,
  noNewPrivileges,
  notify,
  numbers,
  program,
  trace,
  trap
} from "./lines.ts"

/** Answers one system call with a value; allows all others. */
const answering = (name: string, value: number): Uint8Array =>
  Bpf.assemble(Bpf.load(0, Bpf.branch("==", numbers.get(name)!, Bpf.ret(value), Bpf.ret(allow))))

export const outcomes: Readonly<Record<string, Scenario>> = {
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
