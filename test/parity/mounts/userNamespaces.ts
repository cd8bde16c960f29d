/** What user namespaces may do: locked mounts, file systems of their own. */
import { AT, CLONE, MNT, MS, O, S } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import {
  chown,
  fork,
  line,
  mkdir,
  mknod,
  mount,
  mounts as mountsBelow,
  open,
  stat,
  touch,
  umount,
  write
} from "../../support/vocabulary.ts"
import { bind, remount, tmpfs } from "./lines.ts"

const owner = (path: string): Scenario[number] =>
  line("statx", { dirfd: cwd, path, flags: 0, mask: 0x7ff }, { see: ["mode", "uid", "gid"] })

const unprivileged = CLONE.NEWUSER | CLONE.NEWNS

export const ofUserNamespaces: Readonly<Record<string, Scenario>> = {
  // ── user namespaces ────────────────────────────────────────────────────────────────────────────────────────────────
  "flags of a mount that came with the user namespace are locked": [
    ...["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "strictatime", "none"].flatMap((name, i) =>
      tmpfs(name, [MS.RDONLY, MS.NOSUID, MS.NODEV, MS.NOEXEC, MS.NOATIME, MS.NODIRATIME, MS.STRICTATIME, 0][i])
    ),
    fork(unprivileged, [
      ...["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "strictatime", "none"].flatMap((name) => [
        mkdir("/mnt/b"),
        remount(`/mnt/${name}`, 0),
        remount(`/mnt/${name}`, MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC),
        remount(`/mnt/${name}`, MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NOATIME),
        remount(`/mnt/${name}`, MS.RELATIME | MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC)
      ]),
      mount(null, "/mnt/none", null, MS.REMOUNT),
      ...mountsBelow("/mnt")
    ])
  ],
  "a bind of a mount with locked flags has them locked, a new mount nothing": [
    ...tmpfs("a", MS.NOSUID),
    mkdir("b"),
    mkdir("c"),
    fork(unprivileged, [
      bind("/mnt/a", "/mnt/b"),
      remount("/mnt/b", 0),
      remount("/mnt/b", MS.NOSUID | MS.RDONLY),
      remount("/mnt/b", MS.NOSUID),
      umount("/mnt/b"),
      mount("tmpfs", "/mnt/c", "tmpfs", MS.NOSUID | MS.RDONLY),
      remount("/mnt/c", 0),
      mount(null, "/mnt/c", null, MS.REMOUNT),
      ...mountsBelow("/mnt")
    ])
  ],
  "mounts that came together are locked to each other": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    mkdir("a/plain"),
    mkdir("t"),
    fork(unprivileged, [
      umount("/mnt/a/b"),
      umount("/mnt/a"),
      umount("/mnt/a", MNT.DETACH),
      bind("/mnt/a", "/mnt/t"),
      bind("/mnt/a/b", "/mnt/t"),
      bind("/mnt/a/plain", "/mnt/t"),
      bind("/mnt/a", "/mnt/t", MS.REC),
      umount("/mnt/t/b", MNT.DETACH),
      umount("/mnt/t"),
      umount("/mnt/t", MNT.DETACH),
      mount("/mnt/a/b", "/mnt/t", null, MS.MOVE),
      ...mountsBelow("/mnt")
    ])
  ],
  "a new mount namespace forgets what was unbindable": [
    ...tmpfs("a"),
    mount(null, "a", null, MS.UNBINDABLE),
    fork(CLONE.NEWNS, [...mountsBelow("/mnt")]),
    fork(unprivileged, [...mountsBelow("/mnt")]),
    ...mountsBelow("/mnt")
  ],
  "what is unbindable and locked is in the way": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    mount(null, "a/b", null, MS.UNBINDABLE),
    mkdir("t"),
    fork(unprivileged, [
      bind("/mnt/a", "/mnt/t", MS.REC),
      mount(null, "/mnt/a/b", null, MS.UNBINDABLE),
      bind("/mnt/a", "/mnt/t", MS.REC),
      bind("/mnt/a/b", "/mnt/t"),
      mount(null, "/mnt/a/b", null, MS.PRIVATE),
      bind("/mnt/a", "/mnt/t", MS.REC)
    ])
  ],
  "file systems that root of a user namespace may mount": [
    ...["tmpfs", "ramfs", "proc", "sysfs", "mqueue", "devpts", "ext4", "devtmpfs", "nosuchfs"].map((type) =>
      mkdir(type)
    ),
    fork(
      unprivileged,
      ["tmpfs", "ramfs", "proc", "sysfs", "mqueue", "devpts", "ext4", "devtmpfs", "nosuchfs"].map((type) =>
        mount(type, `/mnt/${type}`, type, 0)
      )
    )
  ],
  "what the namespaces of one's own allow": [
    ...["proc", "sysfs", "mqueue"].map((type) => mkdir(type)),
    fork(unprivileged | CLONE.NEWNET, [mount("sysfs", "/mnt/sysfs", "sysfs", 0), mount("p", "/mnt/proc", "proc", 0)]),
    fork(unprivileged | CLONE.NEWPID, [mount("proc", "/mnt/proc", "proc", 0), mount("s", "/mnt/sysfs", "sysfs", 0)]),
    fork(unprivileged | CLONE.NEWIPC, [mount("mqueue", "/mnt/mqueue", "mqueue", 0)])
  ],
  "a devpts is of the user namespace's root, and its ptmx of who mounts it": [
    mkdir("pts"),
    fork(0, [
      line("setresgid", { rgid: 7, egid: 7, sgid: 7 }),
      mount("devpts", "pts", "devpts", 0, "newinstance,uid=5,gid=6"),
      owner("pts"),
      owner("pts/ptmx"),
      chown("pts", 8, 9),
      chown("pts/ptmx", 8, 9),
      owner("pts"),
      owner("pts/ptmx")
    ]),
    umount("pts"),
    fork(unprivileged, [
      mount("devpts", "/mnt/pts", "devpts", 0, "newinstance"),
      owner("/mnt/pts"),
      owner("/mnt/pts/ptmx"),
      umount("/mnt/pts"),
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/uid_map", "0 0 1"),
      ...write("/proc/self/gid_map", "0 0 1"),
      mount("devpts", "/mnt/pts", "devpts", 0, "newinstance"),
      owner("/mnt/pts"),
      owner("/mnt/pts/ptmx"),
      umount("/mnt/pts")
    ])
  ],
  "an mqueue is of who made the ipc namespace": [
    mkdir("q"),
    fork(0, [
      line("setresgid", { rgid: 7, egid: 7, sgid: 7 }),
      line("unshare", { flags: CLONE.NEWIPC }),
      line("setresgid", { rgid: 8, egid: 8, sgid: 8 }),
      mount("mqueue", "q", "mqueue", 0),
      owner("q"),
      chown("q", 9, 10),
      mkdir("r"),
      mount("mqueue", "r", "mqueue", MS.RDONLY),
      owner("r"),
      chown("r", 9, 10)
    ])
  ],
  "proc is not new where a part of the old one is hidden": [
    mkdir("p"),
    ...tmpfs("x"),
    bind("/mnt/x", "/proc/sys"),
    fork(unprivileged | CLONE.NEWPID, [mount("proc", "/mnt/p", "proc", 0)])
  ],
  "proc is new only as read-only as the old one": [
    mkdir("p"),
    remount("/proc", MS.RDONLY),
    fork(unprivileged | CLONE.NEWPID, [
      mount("proc", "/mnt/p", "proc", 0),
      mount("proc", "/mnt/p", "proc", MS.RDONLY),
      remount("/mnt/p", 0)
    ])
  ],
  "sysfs is not new where a part of the old one is hidden": [
    mkdir("s"),
    ...tmpfs("x"),
    bind("/mnt/x", "/sys/kernel"),
    fork(unprivileged | CLONE.NEWNET, [mount("sysfs", "/mnt/s", "sysfs", 0)])
  ],
  "devices in a file system of a user namespace": [
    mkdir("m"),
    mknod("null", S.IFCHR | 0o666, 1, 3),
    touch("t"),
    fork(unprivileged, [
      mount("tmpfs", "/mnt/m", "tmpfs", 0),
      mknod("/mnt/m/null", S.IFCHR | 0o666, 1, 3),
      mknod("/mnt/m/p", S.IFIFO | 0o666),
      open("/mnt/null", O.RDONLY),
      bind("/mnt/null", "/mnt/t"),
      open("/mnt/t", O.RDONLY)
    ])
  ],
  "a mount namespace of others": [
    ...tmpfs("m"),
    open("m", O.PATH, "m"),
    mkdir("t"),
    fork(CLONE.NEWNS, [
      mount("/proc/self/fd/$m", "/mnt/t", null, MS.BIND),
      mount(null, "/proc/self/fd/$m", null, MS.REMOUNT | MS.BIND | MS.RDONLY),
      mount("tmpfs", "/proc/self/fd/$m", "tmpfs", 0),
      mount("/proc/self/fd/$m", "/mnt/t", null, MS.MOVE),
      umount("/proc/self/fd/$m"),
      umount("/proc/self/fd/$m", MNT.DETACH),
      mount(null, "/proc/self/fd/$m", null, MS.SHARED),
      stat("", "mountRoot", AT.EMPTY_PATH, "$m")
    ]),
    ...mountsBelow("/mnt")
  ]
}
