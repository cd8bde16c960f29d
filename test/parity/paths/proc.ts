/** Links in /proc that lead to where a process is and to what it has open. */
import { AT, CLONE, O, PR, S } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  as,
  become,
  chdir,
  chmod,
  chroot,
  fork,
  getcwd,
  line,
  mkdir,
  mknod,
  mount,
  open,
  prctl,
  readFile,
  readlink,
  rename,
  rmdir,
  stat,
  symlink,
  touch,
  unlink
} from "../../support/vocabulary.ts"

export const proc: Readonly<Record<string, Scenario>> = {
  // ── links of /proc ─────────────────────────────────────────────────────────────────────────────────────────────────
  "/proc/self/cwd and root lead there": [
    mkdir("d"),
    touch("d/f"),
    chdir("d"),
    readlink("/proc/self/cwd"),
    readlink("/proc/self/root"),
    open("/proc/self/cwd/f", O.RDONLY),
    open("/proc/self/root/mnt/d/f", O.RDONLY),
    rmdir("/mnt/d"),
    unlink("f"),
    rmdir("/mnt/d"),
    readlink("/proc/self/cwd"),
    stat("/proc/self/cwd", "mode"),
    stat("/proc/self/cwd", "mode", AT.SYMLINK_NOFOLLOW)
  ],
  "/proc/self/cwd of what is outside of the root": [
    mkdir("root"),
    mkdir("root/proc"),
    mount("proc", "root/proc", "proc", 0),
    chroot("root"),
    readlink("/proc/self/cwd"),
    readlink("/proc/self/root"),
    open("/proc/self/cwd/root", O.PATH),
    chdir("/proc/self/cwd"),
    getcwd
  ],
  "/proc/self/fd: what the links say and where they lead": [
    mkdir("d"),
    open("d", O.RDONLY | O.DIRECTORY, "d"),
    touch("d/f"),
    open("d/f", O.RDONLY, "f"),
    line("pipe2", { flags: 0 }, as("p")),
    readlink("/proc/self/fd/$d"),
    readlink("/proc/self/fd/$f"),
    open("/proc/self/fd/$d/f", O.RDONLY),
    open("/proc/self/fd/$f/x", O.RDONLY),
    open("/proc/self/fd/$f", O.WRONLY),
    open("/proc/self/fd/$f", O.RDONLY | O.NOFOLLOW),
    open("/proc/self/fd/$f", O.CREAT | O.EXCL | O.RDWR, undefined, 0o600),
    open("/proc/self/fd/400", O.RDONLY),
    open("/proc/self/fd/$p.0", O.WRONLY | O.NONBLOCK),
    unlink("/proc/self/fd/$f"),
    rename("d", "e"),
    readlink("/proc/self/fd/$f"),
    unlink("e/f"),
    readlink("/proc/self/fd/$f")
  ],
  "/proc/self/fd of a socket leads nowhere": [
    line("socketpair", { type: 1 }, as("s")),
    open("/proc/self/fd/$s.0", O.RDONLY),
    open("/proc/self/fd/$s.0", O.PATH),
    chdir("/proc/self/fd/$s.0")
  ],
  "/proc of somebody else is closed": [
    fork(CLONE.NEWPID, [fork(0, [
      ...become(1000),
      readlink("/proc/1/cwd"),
      open("/proc/1/root", O.PATH),
      open("/proc/1/fd", O.RDONLY),
      open("/proc/1/fd/0", O.RDONLY),
      readlink("/proc/1/ns/mnt"),
      open("/proc/1/ns/mnt", O.RDONLY),
      open("/proc/1/environ", O.RDONLY),
      prctl(PR.SET_DUMPABLE, 1),
      open("/proc/1/status", O.RDONLY)
    ])])
  ],
  "names in /proc that are not there": [
    open("/proc/nothing", O.RDONLY),
    open("/proc/4000000", O.RDONLY),
    open("/proc/self/nothing", O.RDONLY),
    open("/proc/self/fd/x", O.RDONLY),
    touch("/proc/self/new"),
    mkdir("/proc/self/new"),
    rmdir("/proc/self/fd"),
    unlink("/proc/self/status"),
    rename("/proc/self/status", "/proc/self/x"),
    symlink("x", "/proc/x"),
    mknod("/proc/x", S.IFIFO | 0o600),
    chmod("/proc/self/status", 0o600),
    touch("/sys/new"),
    unlink("/sys/kernel/notes"),
    rmdir("/sys/kernel"),
    rmdir("/sys/fs/cgroup"),
    symlink("x", "/sys/new"),
    rename("/sys/kernel/notes", "/sys/x"),
    ...readFile("/proc/sys/fs/mqueue/nothing")
  ]
}
