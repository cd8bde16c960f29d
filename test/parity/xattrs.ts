/** Extended attributes: setxattr(2), xattr(7), acl(5). */
import { CLONE, MS, S } from "../../src/native/constants.ts"
import type { Scenario } from "../support/parityLines.ts"
import {
  become,
  chmod,
  chown,
  fork,
  line,
  mkdir,
  mknod,
  mount,
  stat,
  symlink,
  touch,
  write
} from "../support/vocabulary.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const set = (path: string, name: string, value: Uint8Array = bytes("1")): Scenario[number] =>
  line("setxattr", { path, name, value })
const every = (paths: ReadonlyArray<string>, names: ReadonlyArray<string>): Scenario =>
  names.flatMap((name) => paths.map((path) => set(path, name)))

const access = "system.posix_acl_access"
const fallback = "system.posix_acl_default"
const [owner, user, group, mask, other] = [1, 2, 4, 0x10, 0x20] as const
type Entry = readonly [tag: number, permissions: number, id?: number]
/** A list as the attribute holds it. */
const list = (entries: ReadonlyArray<Entry>, version = 2): Uint8Array => {
  const view = new DataView(new ArrayBuffer(4 + 8 * entries.length))
  view.setUint32(0, version, true)
  for (const [index, [tag, permissions, id = 0xffffffff]] of entries.entries()) {
    view.setUint16(4 + 8 * index, tag, true)
    view.setUint16(6 + 8 * index, permissions, true)
    view.setUint32(8 + 8 * index, id, true)
  }
  return new Uint8Array(view.buffer)
}
/** Lists that are broken or say no more than a mode. */
const lists: ReadonlyArray<Uint8Array> = [
  bytes(""),
  bytes("1"),
  list([]),
  list([], 1),
  list([], 3),
  bytes("\u0002\0\0\0x"),
  list([[owner, 6], [group, 4], [other, 4]]),
  list([[owner, 6], [group, 4]]),
  list([[group, 6], [owner, 4], [other, 4]]),
  list([[owner, 9], [group, 4], [other, 4]]),
  list([[0x40, 6], [group, 4], [other, 4]]),
  list([[owner, 6], [user, 7, 1000], [group, 4], [other, 4]]),
  list([[owner, 6], [user, 7, 1000], [group, 4], [mask, 9], [other, 4]]),
  list([[owner, 7], [group, 5], [other, 0]])
]

export const xattrs: Readonly<Record<string, Scenario>> = {
  "an attribute has a prefix that the file system knows, and goes on what the prefix is for": [
    touch("f"),
    mkdir("d"),
    symlink("f", "l"),
    mknod("p", S.IFIFO | 0o666),
    mknod("c", S.IFCHR | 0o666, 1, 3),
    mknod("s", S.IFSOCK | 0o666),
    ...every(
      ["f", "d", "l", "p", "c", "s"],
      [
        "user.x",
        "trusted.x",
        "security.x",
        "system.x",
        "nosuch.x",
        "x",
        "",
        ".",
        "user",
        "user.",
        "trusted.",
        "security.",
        access,
        fallback
      ]
    ),
    ...["", "nosuch.x", "user.x"].map((name) => set("missing", name)),
    set("f/x", "user.x"),
    set("", "user.x")
  ],
  "names and values have a greatest length": [
    touch("f"),
    set("f", `user.${"x".repeat(250)}`),
    set("f", `user.${"x".repeat(251)}`),
    set("f", "x".repeat(256)),
    set("f", "user.none", bytes("")),
    set("f", "user.most", new Uint8Array(65536)),
    set("f", "user.more", new Uint8Array(65537)),
    set("missing", "user.more", new Uint8Array(65537))
  ],
  "somebody else's file, directory and device take no attribute": [
    touch("f"),
    touch("w"),
    chmod("w", 0o666),
    mkdir("d"),
    mkdir("s"),
    chmod("s", 0o1777),
    mkdir("t"),
    chmod("t", 0o777),
    mknod("p", S.IFIFO | 0o666),
    mknod("c", S.IFCHR | 0o666, 1, 3),
    touch("own"),
    chown("own", 1000, 1000),
    mkdir("owns"),
    chmod("owns", 0o1777),
    chown("owns", 1000, 1000),
    touch("readonly", 0o444),
    chown("readonly", 1000, 1000),
    fork(0, [
      ...become(1000),
      ...every(["f", "w", "d", "s", "t", "p", "c", "own", "owns", "readonly"], [
        "user.x",
        "trusted.x",
        "security.x",
        "security.capability",
        "nosuch.x",
        "x",
        access
      ])
    ]),
    ...[[], [...write("/proc/self/uid_map", "0 0 2000"), ...write("/proc/self/gid_map", "0 0 2000")]].map((maps) =>
      fork(CLONE.NEWUSER, [
        ...maps,
        ...every(["f", "w", "d", "s", "p", "c", "own", "owns"], [
          "user.x",
          "trusted.x",
          "security.x",
          "security.capability",
          access
        ])
      ])
    )
  ],
  "an access control list is whole, and one that is no more than a mode becomes it": [
    touch("f"),
    mkdir("d"),
    touch("group", 0o2755),
    chown("group", 1000, 50),
    chmod("group", 0o2755),
    ...lists.flatMap((value) => [set("f", access, value), set("d", access, value), set("f", fallback, value)]),
    stat("f", "mode"),
    stat("d", "mode"),
    set("d", fallback, list([])),
    set("d", fallback, list([[owner, 6], [group, 4]])),
    fork(0, [
      ...become(1000),
      ...lists.map((value) => set("f", access, value)),
      set("group", access, list([[owner, 7], [group, 7], [other, 0]]))
    ]),
    stat("group", "mode")
  ],
  "file systems keep the attributes that they have a place for": [
    ...["proc", "sysfs", "ramfs", "devpts", "mqueue"].flatMap((type) => [mkdir(type), mount(type, type, type, 0)]),
    ...every(
      ["proc/version", "proc/self", "proc/self/status", "sysfs/kernel", "ramfs", "devpts", "devpts/ptmx", "mqueue"],
      ["user.x", "trusted.x", "security.x", "nosuch.x", "x", access]
    )
  ],
  "a read-only mount takes none, whatever it is called": [
    touch("f"),
    mount("/mnt", "/mnt", null, MS.BIND),
    mount(null, "/mnt", null, MS.BIND | MS.REMOUNT | MS.RDONLY),
    ...every(["/mnt/f"], ["user.x", "nosuch.x", "x", "", access])
  ],
  "what nobody may change takes none either": [
    ...every(["/proc/self", "/proc/self/ns/uts"], ["user.x", "trusted.x", "security.x", access]),
    ...["/proc/self", "/proc/self/ns/uts"].flatMap((path) => [chmod(path, 0o700), chown(path, 0, 0)]),
    ...[2, 4, 7].map((mode) => line("faccessat2", { dirfd: -100, path: "/proc/self", mode, flags: 0 }))
  ]
}
