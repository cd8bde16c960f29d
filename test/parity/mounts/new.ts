/** New mounts: types, places, options. */
import { MNT, MS, O } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  become,
  chdir,
  line,
  mkdir,
  mount,
  mounts as mountsBelow,
  open,
  rmdir,
  stat,
  symlink,
  touch,
  umount
} from "../../support/vocabulary.ts"
import { bind, tmpfs } from "./lines.ts"

export const newMounts: Readonly<Record<string, Scenario>> = {
  // ── new mounts ─────────────────────────────────────────────────────────────────────────────────────────────────────
  "a new mount wants a type that there is": [
    mkdir("m"),
    mount("x", "m", "nosuchfs", 0),
    mount("x", "m", null, 0),
    mount("x", "m", "", 0),
    mount(null, "m", "tmpfs", 0),
    mount("", "m", "tmpfs", 0),
    mount("x", "missing", "nosuchfs", 0),
    mount("x", "missing", "tmpfs", 0),
    ...mountsBelow("/mnt")
  ],
  "a file system with a directory at its root wants a directory": [
    touch("f"),
    mount("tmpfs", "f", "tmpfs", 0),
    symlink("f", "l"),
    mount("tmpfs", "l", "tmpfs", 0),
    mkdir("d"),
    symlink("d", "ld"),
    mount("tmpfs", "ld", "tmpfs", 0),
    ...mountsBelow("/mnt")
  ],
  "access times are relative unless it is said otherwise": [
    ...tmpfs("a"),
    ...tmpfs("b", MS.NOATIME),
    ...tmpfs("c", MS.STRICTATIME),
    ...tmpfs("d", MS.NODIRATIME),
    ...tmpfs("e", MS.RELATIME | MS.NOATIME),
    ...tmpfs("f", MS.NOATIME | MS.STRICTATIME),
    ...tmpfs("g", MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NOSYMFOLLOW),
    ...tmpfs("h", MS.RDONLY),
    ...mountsBelow("/mnt")
  ],
  "the options of tmpfs": [
    ...[
      "mode=700",
      "mode=1777",
      "size=4k",
      "size=50%",
      "nr_inodes=10",
      "uid=5,gid=6",
      "mode=9",
      "mode=x",
      "size=x",
      "nonsense",
      "nonsense=1",
      "uid=x",
      "mode",
      "",
      ",",
      "ro",
      "mode=755,,size=1m",
      "nr_blocks=5"
    ].flatMap((data, i) => [
      mkdir(`m${i}`),
      mount("tmpfs", `m${i}`, "tmpfs", 0, data),
      stat(`m${i}`, ["mode", "uid", "gid"])
    ]),
    ...mountsBelow("/mnt")
  ],
  "mounts on one place stack": [
    mkdir("m"),
    touch("m/zero"),
    mount("one", "m", "tmpfs", 0),
    touch("m/one"),
    mount("two", "m", "tmpfs", 0),
    open("m/one", O.RDONLY),
    ...mountsBelow("/mnt"),
    umount("m"),
    open("m/one", O.PATH, "one"),
    line("close", { fd: "$one" }),
    umount("m"),
    umount("m", MNT.DETACH),
    open("m/zero", O.RDONLY),
    umount("m")
  ],
  "proc on the same place twice": [
    mkdir("p"),
    mount("proc", "p", "proc", 0),
    mount("proc", "p", "proc", 0),
    mkdir("s"),
    mount("sysfs", "s", "sysfs", 0),
    mount("sysfs", "s", "sysfs", 0),
    mkdir("q"),
    mount("mqueue", "q", "mqueue", 0),
    mount("mqueue", "q", "mqueue", 0)
  ],
  "nothing is mounted on a directory that was removed": [
    mkdir("d"),
    chdir("d"),
    rmdir("/mnt/d"),
    mount("tmpfs", ".", "tmpfs", 0),
    mount("/tmp", ".", null, MS.BIND)
  ],
  "mounting needs CAP_SYS_ADMIN, told after the path": [
    mkdir("d"),
    ...become(1000),
    mount("tmpfs", "d", "tmpfs", 0),
    mount("tmpfs", "missing", "tmpfs", 0),
    bind("d", "d"),
    umount("d"),
    umount("missing"),
    umount("d", 0x100)
  ]
}
