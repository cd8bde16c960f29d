/** Symbolic links, on the way and at the end. */
import { AT, MS, O } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  chdir,
  chroot,
  line,
  mkdir,
  mount,
  open,
  readlink,
  see,
  stat,
  symlink,
  touch
} from "../../support/vocabulary.ts"

/** A chain of links: `l0` leads to `l1`, the last to a file. */
const chain = (count: number): Scenario => [
  touch("end"),
  ...Array.from({ length: count }, (_, i) => symlink(i === count - 1 ? "end" : `l${i + 1}`, `l${i}`))
]

export const links: Readonly<Record<string, Scenario>> = {
  // ── links ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  "forty links are followed, one more is a loop": [
    ...chain(41),
    open("l1", O.RDONLY),
    open("l0", O.RDONLY),
    open("l0", O.PATH | O.NOFOLLOW),
    chdir("l0"),
    stat("l0", "mode"),
    open("l2", O.RDONLY)
  ],
  "a link to itself is a loop": [
    symlink("loop", "loop"),
    symlink("b", "a"),
    symlink("a", "b"),
    open("loop", O.RDONLY),
    open("loop/x", O.RDONLY),
    open("a", O.RDONLY),
    open("loop", O.CREAT | O.WRONLY, undefined, 0o644),
    mkdir("loop/x"),
    stat("loop", "mode", AT.SYMLINK_NOFOLLOW),
    stat("loop", "mode")
  ],
  "a link is relative to where it is": [
    mkdir("d"),
    mkdir("e"),
    touch("e/f"),
    symlink("../e/f", "d/l"),
    symlink("e/f", "d/wrong"),
    symlink("/mnt/e/f", "d/absolute"),
    open("d/l", O.RDONLY),
    open("d/wrong", O.RDONLY),
    open("d/absolute", O.RDONLY),
    symlink("d", "dir"),
    open("dir/l", O.RDONLY),
    open("dir/../e/f", O.RDONLY)
  ],
  "an absolute link starts at the root of the process": [
    mkdir("root"),
    touch("root/f"),
    symlink("/f", "l"),
    symlink("/mnt/root/f", "root/m"),
    open("l", O.RDONLY),
    chroot("root"),
    open("l", O.RDONLY),
    open("/m", O.RDONLY)
  ],
  "a file is created through a dangling link, but not exclusively": [
    symlink("target", "l"),
    open("l", O.CREAT | O.EXCL | O.WRONLY, undefined, 0o600),
    open("l", O.CREAT | O.NOFOLLOW | O.WRONLY, undefined, 0o600),
    touch("l"),
    stat("target", "size"),
    symlink("no/where", "k"),
    touch("k"),
    mkdir("k"),
    symlink("dir/", "s"),
    touch("s")
  ],
  "O_NOFOLLOW is about the last name only": [
    mkdir("d"),
    touch("d/f"),
    symlink("d", "l"),
    symlink("f", "d/k"),
    open("l/f", O.RDONLY | O.NOFOLLOW),
    open("l/k", O.RDONLY | O.NOFOLLOW),
    open("l", O.RDONLY | O.NOFOLLOW | O.DIRECTORY),
    open("l", O.PATH | O.NOFOLLOW | O.DIRECTORY),
    open("l", O.PATH | O.NOFOLLOW),
    open("d", O.RDONLY | O.NOFOLLOW)
  ],
  "a mount with nosymfollow follows no links": [
    mkdir("m"),
    mount("tmpfs", "m", "tmpfs", MS.NOSYMFOLLOW),
    touch("m/f"),
    symlink("f", "m/l"),
    symlink("m/l", "outside"),
    open("m/l", O.RDONLY),
    open("outside", O.RDONLY),
    open("m/l", O.PATH | O.NOFOLLOW),
    readlink("m/l"),
    stat("m/l", "mode", AT.SYMLINK_NOFOLLOW),
    mkdir("m/l/x")
  ],
  "readlink wants a link": [
    touch("f"),
    mkdir("d"),
    symlink("some/where", "l"),
    readlink("l"),
    readlink("f"),
    readlink("d"),
    readlink("missing"),
    readlink("f/x"),
    open("l", O.PATH | O.NOFOLLOW, "l"),
    line("readlinkat", { dirfd: "$l", path: "" }, see),
    open("f", O.PATH, "f"),
    line("readlinkat", { dirfd: "$f", path: "" }, see),
    line("readlinkat", { dirfd: "$f", path: "x" }, see),
    line("readlinkat", { dirfd: 400, path: "x" }, see),
    line("readlinkat", { dirfd: 400, path: "/mnt/l" }, see)
  ]
}
