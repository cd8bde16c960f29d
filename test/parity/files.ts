/** Names, modes and owners of files. */
import { S } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parityLines.ts"
import {
  become,
  chmod,
  chown,
  fork,
  line,
  mkdir,
  mknod,
  rename,
  rmdir,
  stat,
  symlink,
  touch,
  unlink
} from "../support/vocabulary.ts"

export const files: Readonly<Record<string, Scenario>> = {
  "a directory is renamed over an empty one only": [
    mkdir("a"),
    touch("a/f"),
    mkdir("b"),
    mkdir("c"),
    touch("f"),
    rename("b", "a"),
    rename("a", "b"),
    rename("f", "b"),
    rename("c", "f"),
    rename("b", "b/x"),
    rename("b/f", "b")
  ],
  "RENAME_NOREPLACE and RENAME_EXCHANGE": [
    mkdir("d"),
    touch("d/in"),
    touch("f"),
    rename("f", "d", 1),
    rename("f", "g", 1),
    rename("g", "missing", 2),
    rename("g", "d", 2),
    stat("g/in", "mode"),
    rename("g", "g/in", 2),
    rename("g/in", "g", 2),
    rename("g", "d", 3),
    rename("g", "d", 8)
  ],
  "a whiteout takes the place of what was renamed": [
    touch("f"),
    touch("g"),
    rename("f", "h", 4),
    stat("f", ["mode", "rdev"]),
    rename("g", "h", 5),
    rename("g", "i", 6)
  ],
  "a sticky directory keeps what is somebody else's": [
    mkdir("s"),
    chmod("s", 0o1777),
    touch("s/root"),
    mkdir("s/dir"),
    touch("mine"),
    chown("mine", 1000, 1000),
    fork(0, [
      ...become(1000),
      touch("s/own"),
      unlink("s/root"),
      rmdir("s/dir"),
      rename("s/root", "s/x"),
      rename("s/own", "s/root"),
      rename("s/own", "s/x"),
      unlink("s/x")
    ]),
    chown("s", 1000, 1000),
    fork(0, [...become(1000), unlink("s/root"), rmdir("s/dir")])
  ],
  "a directory with set-group-ID hands its group on": [
    mkdir("d"),
    chown("d", 1000, 50),
    chmod("d", 0o2777),
    touch("d/f"),
    mkdir("d/e"),
    mknod("d/p", S.IFREG | 0o2775),
    stat("d/f", ["gid", "mode"]),
    stat("d/e", ["gid", "mode"]),
    fork(0, [
      ...become(1001),
      mknod("d/q", S.IFREG | 0o2775),
      stat("d/q", ["gid", "mode"]),
      mknod("d/r", S.IFREG | 0o2765),
      stat("d/r", ["gid", "mode"])
    ])
  ],
  "the umask takes away": [
    line("umask", { mask: 0o077 }, { see: true }),
    touch("f", 0o666),
    mkdir("d", 0o777),
    mknod("p", S.IFIFO | 0o666),
    symlink("x", "l"),
    line("umask", { mask: 0o7777 }, { see: true }),
    line("umask", { mask: 0 }, { see: true }),
    touch("g", 0o6777),
    mkdir("e", 0o7777)
  ],
  "what can't be made": [
    mknod("d", S.IFDIR | 0o755),
    mknod("l", S.IFLNK | 0o755),
    mknod("x", 0o30000 | 0o644),
    mknod("missing/x", S.IFDIR),
    mknod("plain", 0o644),
    stat("plain", "mode"),
    ...become(1000),
    mknod("/tmp/runfx-parity-device", S.IFCHR | 0o666, 1, 3),
    mknod("null", S.IFCHR | 0o666, 1, 3)
  ],
  "a directory counts its directories": [
    mkdir("d"),
    mkdir("d/a"),
    mkdir("d/b"),
    touch("d/f"),
    stat("d", "nlink"),
    rmdir("d/a"),
    stat("d", "nlink"),
    rename("d/b", "c"),
    stat("d", "nlink"),
    line("fchownat", { dirfd: cwd, path: "d/f", uid: 5, gid: 6, flags: 0 }),
    stat("d/f", ["uid", "gid", "nlink"])
  ]
}
