/** pivot_root(2): each of its conditions, and what it leaves. */
import { CLONE, MNT, MS } from "../../src/native/constants.ts"
import type { Scenario } from "../support/parityLines.ts"
import {
  become,
  chdir,
  chroot,
  fork,
  getcwd,
  line,
  mkdir,
  mount,
  mounts,
  open,
  rmdir,
  touch,
  umount
} from "../support/vocabulary.ts"

const pivot = (newRoot: string, putOld: string): Scenario[number] => line("pivot_root", { newRoot, putOld })
/** A mount that can become the root, with a place for the old one. */
const root: Scenario = [mkdir("r"), mount("tmpfs", "r", "tmpfs", 0), mkdir("r/old"), mkdir("r/sub"), mkdir("r/mnt")]

export const pivotRoot: Readonly<Record<string, Scenario>> = {
  "pivot_root puts the old root where it is told": [
    ...root,
    pivot("r", "r/old"),
    getcwd,
    chdir("/"),
    getcwd,
    open("/old/etc", 0),
    open("/old/mnt/r", 0),
    umount("/old", MNT.DETACH),
    open("/old/etc", 0)
  ],
  "pivot_root with the old root on top of the new one": [
    ...root,
    chdir("r"),
    pivot(".", "."),
    getcwd,
    open("sub", 0),
    chdir("/"),
    open("sub", 0),
    umount(".", MNT.DETACH),
    chdir("/"),
    getcwd,
    open("sub", 0),
    open("etc", 0)
  ],
  "pivot_root wants directories": [
    ...root,
    touch("f"),
    pivot("f", "r/old"),
    pivot("r", "f"),
    pivot("missing", "r/old"),
    pivot("r", "missing"),
    pivot("f", "missing"),
    pivot("r/old", "r/f/x")
  ],
  "pivot_root wants a mount point as new root": [
    ...root,
    pivot("r/sub", "r/sub"),
    mkdir("plain"),
    pivot("plain", "plain"),
    mount("plain", "plain", null, MS.BIND),
    mkdir("plain/old"),
    pivot("plain", "plain/old"),
    pivot("r", "r")
  ],
  "pivot_root refuses the mount of the current root": [
    ...root,
    pivot("/", "/"),
    pivot("/tmp", "/tmp"),
    pivot("r", "/"),
    pivot("r", "/tmp"),
    pivot("/", "r/old")
  ],
  "pivot_root wants the old root at or below the new one": [
    ...root,
    mkdir("other"),
    mount("tmpfs", "other", "tmpfs", 0),
    pivot("r", "other"),
    pivot("r", "/mnt"),
    mount("tmpfs", "r/sub", "tmpfs", 0),
    pivot("r", "r/sub")
  ],
  "pivot_root refuses what would propagate: the parent of the new root": [
    ...root,
    mount(null, "/mnt", null, MS.SHARED),
    pivot("r", "r/old"),
    mount(null, "/mnt", null, MS.SLAVE),
    pivot("r", "r/old")
  ],
  "pivot_root refuses what would propagate: where the old root goes": [
    ...root,
    mount(null, "r", null, MS.SHARED),
    pivot("r", "r/old"),
    mount("tmpfs", "r/old", "tmpfs", 0),
    mount(null, "r/old", null, MS.PRIVATE),
    pivot("r", "r/old")
  ],
  "pivot_root does not mind a current root that is shared itself": [
    ...root,
    mount(null, "/", null, MS.SHARED),
    pivot("r", "r/old"),
    open("/old/etc", 0)
  ],
  "pivot_root wants a current root that is a mount point": [
    ...root,
    chroot("r/sub"),
    chdir("/"),
    mkdir("n"),
    mount("tmpfs", "n", "tmpfs", 0),
    mkdir("n/old"),
    pivot("n", "n/old")
  ],
  "pivot_root below a root that is a mount point of its own": [
    ...root,
    chroot("r"),
    chdir("/"),
    mkdir("n"),
    mount("tmpfs", "n", "tmpfs", 0),
    mkdir("n/old"),
    pivot("n", "n/old"),
    getcwd,
    open("/old/sub", 0)
  ],
  "pivot_root goes to the top of a stack": [
    ...root,
    mount("tmpfs", "r/old", "tmpfs", 0),
    mount("tmpfs", "r/old", "tmpfs", 0),
    pivot("r", "r/old"),
    open("/old/etc", 0),
    umount("/old", MNT.DETACH),
    open("/old/etc", 0)
  ],
  "pivot_root of a directory that was removed": [
    ...root,
    chdir("r/sub"),
    rmdir("/mnt/r/sub"),
    pivot("/mnt/r", ".")
  ],
  "pivot_root takes other processes along": [
    ...root,
    chdir("/"),
    fork(0, [pivot("/mnt/r", "/mnt/r/old")]),
    getcwd,
    open("/old/etc", 0),
    open("/sub", 0)
  ],
  "pivot_root in a mount namespace of one's own changes nothing elsewhere": [
    ...root,
    fork(CLONE.NEWNS, [pivot("/mnt/r", "/mnt/r/old"), open("/old/etc", 0)]),
    open("/old/etc", 0),
    open("/mnt/r/sub", 0)
  ],
  "pivot_root needs CAP_SYS_ADMIN": [...root, ...become(1000), pivot("r", "r/old"), pivot("missing", "r/old")],
  "pivot_root in a user namespace: not to a mount that came with it": [
    ...root,
    mkdir("n"),
    fork(CLONE.NEWUSER | CLONE.NEWNS, [
      pivot("/mnt/r", "/mnt/r/old"),
      mount("/mnt/r", "/mnt/n", null, MS.BIND | MS.REC),
      pivot("/mnt/n", "/mnt/n/old"),
      open("/old/etc", 0),
      // the old root is free to go, as it did not lie on anything
      umount("/old", MNT.DETACH),
      umount("/", MNT.DETACH)
    ])
  ],
  "pivot_root in a user namespace: the new root has the lock of the old one": [
    ...root,
    mkdir("n"),
    fork(CLONE.NEWUSER | CLONE.NEWNS, [
      mount("/mnt/r", "/mnt/n", null, MS.BIND),
      chdir("/mnt/n"),
      pivot(".", "."),
      umount(".", MNT.DETACH),
      chdir("/"),
      ...mounts("/"),
      umount("/", MNT.DETACH),
      mount("/", "/sub", null, MS.MOVE)
    ])
  ]
}
