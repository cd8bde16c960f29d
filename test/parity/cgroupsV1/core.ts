/** What each hierarchy has, whatever its controller: groups, their files, and who is in them. */
import { O, W } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  end,
  fork,
  join,
  lookAt,
  mkdir,
  open,
  readFile,
  rmdir,
  sleeper,
  start,
  stat,
  symlink,
  unlink,
  waitFor,
  write
} from "../../support/vocabulary.ts"
import { at, put, values, within, writes } from "./lines.ts"

export const core: Readonly<Record<string, Scenario>> = {
  "a new group is empty": within("pids", [], [
    ...readFile(at("pids", "/cgroup.procs")),
    ...readFile(at("pids", "/tasks")),
    ...readFile(at("pids", "/notify_on_release")),
    ...readFile(at("pids", "/cgroup.clone_children")),
    stat(at("pids"), ["mode", "uid", "gid"]),
    stat(at("pids", "/tasks"), ["mode", "uid", "gid"]),
    stat(at("pids", "/pids.current"), "mode")
  ]),
  "what has no such name": within("pids", [], [
    open(at("pids", "/pids.nothing"), O.RDONLY),
    open(at("pids", "/cpu.shares"), O.RDONLY),
    open("/sys/fs/cgroup/pids/pids.max", O.RDONLY),
    open("/sys/fs/cgroup/freezer/freezer.state", O.RDONLY),
    open(at("pids", "/release_agent"), O.RDONLY),
    open(at("pids", "/tasks/x"), O.RDONLY)
  ]),
  "groups are made once, with any name but lines": within("pids", ["/a b", "/cgroup.x", "/c:d"], [
    mkdir(at("pids")),
    mkdir(at("pids", "/tasks")),
    mkdir(at("pids", "/a\nb")),
    mkdir(at("pids", "/missing/a"))
  ]),
  "groups hold nothing but groups": within("pids", [], [
    open(at("pids", "/new"), O.CREAT | O.WRONLY, undefined, 0o644),
    symlink("x", at("pids", "/link")),
    unlink(at("pids", "/tasks")),
    rmdir(at("pids", "/tasks")),
    unlink(at("pids")),
    rmdir(at("pids", "/missing"))
  ]),
  "a group with groups stays": within("pids", ["/a"], [rmdir(at("pids"))]),
  "a group with processes stays": within("pids", [], [
    ...sleeper("child"),
    ...put(at("pids", "/cgroup.procs"), "child"),
    rmdir(at("pids")),
    ...end("child")
  ]),
  "the root of a hierarchy stays": [rmdir("/sys/fs/cgroup/pids")],
  "what cgroup.procs takes": within(
    "pids",
    [],
    writes(at("pids", "/cgroup.procs"), "", "x", "-1", "1 2", "0x", "99999999", "4294967296", "\n")
  ),
  "a process joins itself as 0": within("pids", [], [
    fork(0, [
      ...write(at("pids", "/cgroup.procs"), "0\n"),
      ...lookAt("/proc/self/cgroup", /pids/)
    ])
  ]),
  "children are in the group of their parent, and stay when it leaves": within("pids", [], [
    fork(0, [
      ...write(at("pids", "/tasks"), "0"),
      ...sleeper("child"),
      ...write("/sys/fs/cgroup/pids/cgroup.procs", "0"),
      ...readFile(at("pids", "/pids.current")),
      ...lookAt("/proc/$child/cgroup", /pids/),
      ...end("child")
    ])
  ]),
  "read-only and write-only files": within("pids", [], [
    ...write(at("pids", "/pids.current"), "1"),
    ...write(at("pids", "/pids.events"), "1"),
    mkdir(at("devices")),
    ...readFile(at("devices", "/devices.allow")),
    rmdir(at("devices"))
  ]),
  "a dead process joins nothing, without an error": within("pids", [], [
    start("child", 0, []),
    join("child"),
    waitFor("$child", W.EXITED | W.NOWAIT),
    ...put(at("pids", "/cgroup.procs"), "child"),
    ...readFile(at("pids", "/cgroup.procs")),
    waitFor("$child")
  ]),
  "flags are numbers": within("pids", [], [
    ...values(at("pids", "/notify_on_release"), "1", "0", "7", "-1", "x", " 1", "1 ", "1\n", "0x0"),
    ...values(at("pids", "/cgroup.clone_children"), "1", "0")
  ]),
  "new groups take flags over": within("pids", [], [
    ...write(at("pids", "/notify_on_release"), "1"),
    ...write(at("pids", "/cgroup.clone_children"), "1"),
    mkdir(at("pids", "/a")),
    ...readFile(at("pids", "/a/notify_on_release")),
    ...readFile(at("pids", "/a/cgroup.clone_children")),
    rmdir(at("pids", "/a")),
    ...write(at("pids", "/notify_on_release"), "0")
  ]),
  "a named hierarchy has no controllers": within("systemd", [], [
    fork(0, [...write(at("systemd", "/cgroup.procs"), "0"), ...lookAt("/proc/self/cgroup", /systemd/)]),
    open(at("systemd", "/pids.max"), O.RDONLY)
  ])
}
