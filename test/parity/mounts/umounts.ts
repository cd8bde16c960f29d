/** umount2(2), and what is not removed or renamed since something is mounted there. */
import { CLONE, MNT, MS, O, UMOUNT } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  chdir,
  chroot,
  fork,
  getcwd,
  line,
  mkdir,
  mount,
  mounts as mountsBelow,
  open,
  rename,
  rmdir,
  symlink,
  touch,
  umount,
  unlink
} from "../../support/vocabulary.ts"
import { bind, tmpfs } from "./lines.ts"

export const umounts: Readonly<Record<string, Scenario>> = {
  // ── umount ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  "umount wants a mount point and flags that it knows": [
    mkdir("d"),
    touch("f"),
    ...tmpfs("m"),
    umount("d"),
    umount("f"),
    umount("missing"),
    umount("m", 0x10),
    umount("m", MNT.EXPIRE | MNT.FORCE),
    umount("m", MNT.EXPIRE | MNT.DETACH),
    umount("m", MNT.FORCE),
    umount("m")
  ],
  "umount of what is in use": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    umount("a"),
    umount("a", MNT.EXPIRE),
    umount("a/b"),
    open("a", O.RDONLY, "fd"),
    umount("a"),
    umount("a", MNT.EXPIRE),
    line("close", { fd: "$fd" }),
    open("a", O.PATH, "fd"),
    umount("a"),
    line("close", { fd: "$fd" }),
    chdir("a"),
    umount("/mnt/a"),
    chdir("/mnt"),
    umount("a")
  ],
  "a lazy umount takes apart what is below": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    mkdir("a/b/d"),
    open("a", O.RDONLY, "a"),
    open("a/b", O.RDONLY, "b"),
    umount("a", MNT.DETACH),
    ...mountsBelow("/mnt"),
    line("openat", { dirfd: "$a", path: "b/d", flags: O.PATH, mode: 0 }),
    line("openat", { dirfd: "$b", path: "d", flags: O.PATH, mode: 0 }),
    line("openat", { dirfd: "$b", path: "..", flags: O.PATH, mode: 0 }),
    line("fchdir", { fd: "$b" }),
    getcwd,
    chdir(".."),
    getcwd,
    mount("tmpfs", "d", "tmpfs", 0),
    mount("d", "/mnt/a", null, MS.BIND),
    umount(".")
  ],
  "umount follows a link unless told": [
    ...tmpfs("m"),
    symlink("m", "l"),
    umount("l", UMOUNT.NOFOLLOW),
    umount("l"),
    umount("m")
  ],
  "umount of the own root makes it read-only": [
    ...tmpfs("r"),
    mkdir("r/d"),
    chroot("r"),
    chdir("/"),
    umount("/", MNT.EXPIRE),
    umount("/"),
    mkdir("/x"),
    umount("/", MNT.DETACH),
    mkdir("/x"),
    getcwd
  ],
  "what is a mount point is not removed": [
    ...tmpfs("m"),
    touch("f"),
    bind("f", "f"),
    mkdir("e"),
    rmdir("m"),
    unlink("f"),
    rename("m", "n"),
    rename("e", "m"),
    rename("f", "g"),
    fork(CLONE.NEWNS, [umount("m"), umount("f"), rmdir("m"), unlink("f")]),
    ...mountsBelow("/mnt"),
    open("m", O.PATH)
  ],
  "what is a mount point elsewhere is renamed with it": [
    mkdir("m"),
    fork(CLONE.NEWNS, [
      mount("tmpfs", "m", "tmpfs", 0),
      touch("m/f"),
      fork(CLONE.NEWNS, [umount("m"), rename("m", "n")]),
      open("n/f", O.RDONLY),
      ...mountsBelow("/mnt")
    ])
  ]
}
