/** Descriptors of processes. */
import { CLONE, O, P, POLL, SIG, W } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import {
  as,
  exit,
  fork,
  gate,
  kill,
  line,
  lookAt,
  open,
  openGate,
  pass,
  readFile,
  see,
  start,
  uids,
  waitFor
} from "../../support/vocabulary.ts"
import { ended, numbered, pidfd, sleeper, wait } from "./lines.ts"

const sendBy = (fd: string | number, signal: number) => line("pidfd_send_signal", { pidfd: fd, signal })

export const pidfds: Readonly<Record<string, Scenario>> = {
  "pidfd_open wants a process": numbered([
    pidfd(-1, "x"),
    pidfd(0, "x"),
    pidfd(1, "x", 1),
    pidfd(1, "x", O.NONBLOCK),
    pidfd(4000000, "x"),
    line("fcntl", { fd: "$x", command: 1, argument: 0 }, see)
  ]),
  "a pidfd of a zombie, and of a process that is gone": numbered([
    start("child", 0, [exit(1)]),
    ended("child"),
    pidfd("$child", "fd"),
    line("poll", { fds: ["$fd"], events: POLL.IN, timeout: 0 }, see),
    sendBy("$fd", SIG.TERM),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: 0, flags: 0 }),
    line("setns", { fd: "$fd", nstype: CLONE.NEWUTS }),
    waitFor("$child"),
    sendBy("$fd", 0),
    sendBy("$fd", SIG.TERM),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: 0, flags: 0 }),
    line("setns", { fd: "$fd", nstype: CLONE.NEWUTS }),
    pidfd("$child", "again")
  ]),
  "pidfd_send_signal ends a process": numbered([
    ...sleeper("child"),
    pidfd("$child", "fd"),
    sendBy("$fd", SIG.TERM),
    wait(P.PIDFD, "$fd", W.EXITED)
  ]),
  "pidfd_send_signal asks as kill does": numbered([
    gate("ready"),
    gate("never"),
    start("child", 0, [uids(1000), openGate("ready"), pass("never")]),
    pass("ready"),
    pidfd("$child", "fd"),
    fork(0, [uids(1001), sendBy("$fd", 0), sendBy("$fd", SIG.CONT), kill("$child", SIG.CONT)]),
    fork(0, [uids(1000), sendBy("$fd", 0)])
  ]),
  "pidfd_send_signal takes a directory of /proc": numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    ...sleeper("child"),
    open("/proc/$child", O.RDONLY | O.DIRECTORY, "dir"),
    open("/proc/$child/ns", O.RDONLY | O.DIRECTORY, "below"),
    open("/proc/$child", O.PATH, "path"),
    sendBy("$path", 0),
    sendBy("$below", 0),
    sendBy("$dir", 0),
    sendBy("$dir", SIG.KILL),
    waitFor("$child"),
    sendBy("$dir", 0)
  ]),
  "pidfd_getfd takes no flags and no closed descriptors": numbered([
    ...sleeper("child"),
    pidfd("$child", "fd"),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: 0, flags: 1 }),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: 480, flags: 0 }),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: -1, flags: 0 }),
    line("pidfd_getfd", { pidfd: 0, targetfd: 0, flags: 0 }),
    line("pidfd_getfd", { pidfd: 480, targetfd: 0, flags: 0 }),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: "$never.0", flags: 0 }, as("got")),
    line("fcntl", { fd: "$got", command: 1, argument: 0 }, see),
    line("write", { fd: "$got", data: "x" })
  ]),
  "a pidfd tells in fdinfo which process": numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    start("child", 0, [exit(1)]),
    ended("child"),
    pidfd("$child", "fd"),
    ...lookAt("/proc/self/fdinfo/$fd", /^(Pid|NSpid)/),
    waitFor("$child"),
    ...lookAt("/proc/self/fdinfo/$fd", /^(Pid|NSpid)/),
    pidfd(1, "init"),
    ...lookAt("/proc/self/fdinfo/$init", /^(Pid|NSpid)/)
  ]),
  "files of a process that is gone": numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    start("child", 0, [exit(1)]),
    open("/proc/$child", O.PATH | O.DIRECTORY, "dir"),
    open("/proc/$child/status", O.RDONLY, "status"),
    ended("child"),
    line("readlinkat", { dirfd: cwd, path: "/proc/$child/cwd" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/$child/exe" }, see),
    ...["uts", "mnt", "user", "pid", "pid_for_children", "time"].map((name) =>
      open(`/proc/$child/ns/${name}`, O.RDONLY)
    ),
    ...readFile("/proc/$child/cmdline"),
    open("/proc/$child/environ", O.RDONLY),
    waitFor("$child"),
    open("/proc/$child/status", O.RDONLY),
    line("openat", { dirfd: "$dir", path: "status", flags: O.RDONLY, mode: 0 }),
    line("read", { fd: "$status", count: 10 })
  ])
}
