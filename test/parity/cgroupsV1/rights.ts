/** Who may make groups, and put whom in which. */
import { CLONE, O } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  become,
  chmod,
  chown,
  end,
  fork,
  line,
  lookAt,
  mkdir,
  open,
  readFile,
  rmdir,
  sleeper,
  stat,
  write
} from "../../support/vocabulary.ts"
import { at, put, within } from "./lines.ts"

const nobody = 54321

export const rights: Readonly<Record<string, Scenario>> = {
  "somebody without rights makes and moves nothing": within("pids", [], [
    fork(0, [
      ...become(nobody),
      mkdir(at("pids", "/a")),
      open(at("pids", "/cgroup.procs"), O.WRONLY),
      open(at("pids", "/cgroup.procs"), O.RDONLY),
      open(at("pids", "/pids.max"), O.RDWR),
      rmdir(at("pids"))
    ])
  ]),
  "a group that was given away: groups below, not its own files": within("pids", [], [
    chown(at("pids"), nobody, nobody),
    fork(0, [
      ...become(nobody),
      mkdir(at("pids", "/a")),
      stat(at("pids", "/a"), ["uid", "gid", "mode"]),
      stat(at("pids", "/a/tasks"), ["uid", "gid", "mode"]),
      open(at("pids", "/cgroup.procs"), O.WRONLY),
      ...write(at("pids", "/a/cgroup.procs"), "0"),
      ...write(at("pids", "/a/pids.max"), "10"),
      ...lookAt("/proc/self/cgroup", /pids/)
    ]),
    rmdir(at("pids", "/a"))
  ]),
  "a file that was given away": within("pids", [], [
    chown(at("pids", "/cgroup.procs"), nobody, nobody),
    stat(at("pids", "/cgroup.procs"), ["uid", "gid", "mode"]),
    stat(at("pids", "/tasks"), ["uid", "gid", "mode"]),
    fork(0, [
      ...become(nobody),
      ...write(at("pids", "/cgroup.procs"), "0"),
      open(at("pids", "/tasks"), O.WRONLY),
      open(at("pids", "/pids.max"), O.WRONLY)
    ])
  ]),
  "a file's mode": within("pids", [], [
    chmod(at("pids", "/cgroup.procs"), 0o666),
    fork(0, [...become(nobody), ...write(at("pids", "/cgroup.procs"), "0")]),
    chmod(at("pids", "/pids.max"), 0o600),
    stat(at("pids", "/pids.max"), "mode"),
    fork(0, [...become(nobody), open(at("pids", "/pids.max"), O.RDONLY), chmod(at("pids", "/pids.max"), 0o644)])
  ]),
  "others' processes are root's to move": within("pids", [], [
    chmod(at("pids", "/cgroup.procs"), 0o666),
    ...sleeper("root"),
    ...sleeper("own", become(nobody)),
    fork(0, [
      ...become(nobody),
      ...put(at("pids", "/cgroup.procs"), "root"),
      ...put(at("pids", "/cgroup.procs"), "own")
    ]),
    ...end("root"),
    ...end("own")
  ]),
  "who opened the file counts, not who writes": within("pids", [], [
    ...sleeper("child"),
    open(at("pids", "/cgroup.procs"), O.WRONLY, "procs"),
    fork(0, [...become(nobody), line("write", { fd: "$procs", data: "$child\n" })]),
    ...end("child"),
    line("close", { fd: "$procs" })
  ]),
  "numbers are those of the writer's pid namespace": within("pids", [], [
    fork(CLONE.NEWPID, [
      fork(0, [
        ...write(at("pids", "/cgroup.procs"), "1"),
        ...readFile(at("pids", "/cgroup.procs")),
        ...write(at("pids", "/cgroup.procs"), "2"),
        ...readFile(at("pids", "/cgroup.procs")),
        ...write("/sys/fs/cgroup/pids/cgroup.procs", "1"),
        ...readFile(at("pids", "/cgroup.procs"))
      ])
    ])
  ]),
  "a reader does not see processes of other pid namespaces": within("pids", [], [
    ...sleeper("child"),
    ...put(at("pids", "/cgroup.procs"), "child"),
    fork(CLONE.NEWPID, readFile(at("pids", "/cgroup.procs"))),
    ...end("child")
  ])
}
