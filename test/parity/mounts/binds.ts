/** Binds, remounts and moves. */
import { MS, O, S } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  as,
  chdir,
  getcwd,
  line,
  mkdir,
  mknod,
  mount,
  mounts as mountsBelow,
  open,
  stat,
  symlink,
  touch,
  umount,
  unlink
} from "../../support/vocabulary.ts"
import { bind, remount, tmpfs } from "./lines.ts"

export const binds: Readonly<Record<string, Scenario>> = {
  // ── binds ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  "a bind wants a source, and the same kind": [
    mkdir("d"),
    touch("f"),
    touch("g"),
    bind("d", "f"),
    bind("f", "d"),
    bind("f", "g"),
    bind("missing", "d"),
    bind("d", "missing"),
    bind("", "d"),
    mount(null, "d", null, MS.BIND),
    mknod("p", S.IFIFO | 0o600),
    mknod("n", S.IFCHR | 0o666, 1, 3),
    bind("p", "g"),
    bind("n", "g"),
    stat("g", ["mode", "rdev"]),
    ...mountsBelow("/mnt")
  ],
  "a bind follows links on both sides": [
    mkdir("d"),
    touch("d/f"),
    mkdir("e"),
    symlink("d", "from"),
    symlink("e", "to"),
    bind("from", "to"),
    open("e/f", O.RDONLY),
    ...mountsBelow("/mnt")
  ],
  "a bind takes mounts below along only if asked": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    ...tmpfs("a/b/c"),
    mkdir("plain"),
    mkdir("all"),
    mkdir("part"),
    bind("a", "plain"),
    bind("a", "all", MS.REC),
    bind("a/b", "part", MS.REC),
    ...mountsBelow("/mnt")
  ],
  "a recursive bind of a directory takes what lies below the directory": [
    ...tmpfs("a"),
    mkdir("a/d"),
    ...tmpfs("a/d/in"),
    ...tmpfs("a/out"),
    mkdir("b"),
    bind("a/d", "b", MS.REC),
    ...mountsBelow("/mnt")
  ],
  "a bind keeps the flags of its source, whatever is asked": [
    ...tmpfs("a", MS.NOSUID | MS.NOATIME),
    mkdir("b"),
    mkdir("c"),
    bind("a", "b", MS.RDONLY | MS.NODEV),
    bind("a", "c", MS.STRICTATIME),
    ...mountsBelow("/mnt")
  ],
  "a bind of a tree into itself": [
    ...tmpfs("a"),
    mkdir("a/b"),
    bind("a", "a/b"),
    bind("a", "a/b", MS.REC),
    ...mountsBelow("/mnt")
  ],
  "namespaces are bound, mount namespaces only younger ones": [
    touch("f"),
    bind("/proc/self/ns/net", "f"),
    ...mountsBelow("/mnt"),
    umount("f"),
    bind("/proc/self/ns/mnt", "f"),
    bind("/proc/self/ns/uts", "missing"),
    mkdir("d"),
    bind("/proc/self/ns/uts", "d")
  ],
  "what has no place is not bound": [
    line("pipe2", { flags: 0 }, as("p")),
    line("memfd_create", { name: "x", flags: 0 }, as("memory")),
    touch("f"),
    bind("/proc/self/fd/$p.0", "f"),
    bind("/proc/self/fd/$memory", "f"),
    open("gone", O.CREAT | O.RDWR, "gone", 0o600),
    unlink("gone"),
    bind("/proc/self/fd/$gone", "f"),
    ...mountsBelow("/mnt")
  ],
  // ── flags ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  "a remount of a bind sets the flags of one mount": [
    ...tmpfs("a", MS.NOSUID),
    mkdir("b"),
    bind("a", "b"),
    remount("b", MS.RDONLY),
    ...mountsBelow("/mnt"),
    touch("b/f"),
    touch("a/f"),
    remount("b", MS.NODEV | MS.NOEXEC),
    remount("a", MS.NOATIME),
    ...mountsBelow("/mnt"),
    remount("a", MS.NODIRATIME),
    ...mountsBelow("/mnt"),
    remount("a", MS.STRICTATIME),
    remount("b", 0),
    ...mountsBelow("/mnt")
  ],
  "a remount wants the root of a mount": [
    ...tmpfs("a"),
    mkdir("a/d"),
    touch("a/f"),
    remount("a/d", MS.RDONLY),
    remount("a/f", MS.RDONLY),
    remount("missing", MS.RDONLY),
    mount(null, "a/d", null, MS.REMOUNT | MS.RDONLY)
  ],
  "a remount of the file system goes through all its mounts": [
    ...tmpfs("a"),
    mkdir("b"),
    bind("a", "b"),
    mount(null, "a", null, MS.REMOUNT | MS.RDONLY),
    mkdir("b/d"),
    ...mountsBelow("/mnt"),
    mount(null, "b", null, MS.REMOUNT),
    mkdir("a/d"),
    mkdir("b/d"),
    ...mountsBelow("/mnt"),
    mount(null, "a", null, MS.REMOUNT, "nonsense"),
    mount(null, "a", null, MS.REMOUNT, "size=1m")
  ],
  "a remount is not recursive": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    remount("a", MS.REC | MS.RDONLY),
    ...mountsBelow("/mnt")
  ],
  "nodev: no device opens": [
    ...tmpfs("a", MS.NODEV),
    mknod("a/null", S.IFCHR | 0o666, 1, 3),
    open("a/null", O.RDONLY),
    open("a/null", O.PATH),
    stat("a/null", "rdev"),
    mkdir("b"),
    bind("a", "b"),
    remount("b", 0),
    open("b/null", O.RDONLY)
  ],
  // ── moves ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  "a move takes the whole tree": [
    ...tmpfs("a"),
    ...tmpfs("a/b"),
    mkdir("t"),
    mount("a", "t", null, MS.MOVE),
    ...mountsBelow("/mnt"),
    open("a/b", O.PATH),
    open("t/b", O.PATH)
  ],
  "a move wants the root of a mount, and the same kind": [
    ...tmpfs("a"),
    mkdir("a/d"),
    mkdir("t"),
    touch("f"),
    touch("g"),
    bind("f", "f"),
    mount("a/d", "t", null, MS.MOVE),
    mount("a", "g", null, MS.MOVE),
    mount("f", "t", null, MS.MOVE),
    mount("f", "g", null, MS.MOVE),
    mount("missing", "t", null, MS.MOVE),
    mount("", "t", null, MS.MOVE),
    mount(null, "t", null, MS.MOVE),
    mount("a", "missing", null, MS.MOVE),
    mount("/", "t", null, MS.MOVE)
  ],
  "nothing moves into itself": [
    ...tmpfs("a"),
    mkdir("a/d"),
    ...tmpfs("a/b"),
    mkdir("a/b/c"),
    mount("a", "a/d", null, MS.MOVE),
    mount("a", "a/b/c", null, MS.MOVE),
    mount("a/b", "a/d", null, MS.MOVE),
    mount("a", "a", null, MS.MOVE),
    ...mountsBelow("/mnt")
  ],
  "a process goes with the mount that it is in": [
    ...tmpfs("a"),
    mkdir("a/d"),
    mkdir("t"),
    chdir("a/d"),
    mount("/mnt/a", "/mnt/t", null, MS.MOVE),
    getcwd,
    chdir("../.."),
    getcwd
  ]
}
