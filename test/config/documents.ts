/** Documents of both formats that the tests change piece by piece. */

/** A JSON object, as a test writes it. */
export type Json = Record<string, unknown>

/** A small config.json that is whole, with parts replaced. */
export const oci = (parts: { readonly process?: Json; readonly linux?: Json } & Json = {}): string => {
  const { linux, process, ...rest } = parts
  return write({
    ociVersion: "1.0.2",
    root: { path: "rootfs" },
    process: { args: ["sh"], cwd: "/", user: { uid: 0, gid: 0 }, ...process },
    linux: {
      namespaces: ["pid", "network", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type })),
      ...linux
    },
    ...rest
  })
}

/** A small initConfig that is whole, with parts replaced. */
export const initConfig = (config: Json = {}, init: Json = {}): string =>
  write({
    args: ["/bin/sh"],
    env: ["A=b"],
    cwd: "/",
    user: "",
    config: {
      rootfs: "/srv/root",
      namespaces: ["NEWNS", "NEWUTS", "NEWIPC", "NEWPID", "NEWNET"].map((type) => ({ type, path: "" })),
      ...config
    },
    ...init
  })

/** JSON with bigints as plain numbers. */
export const write = (value: unknown): string =>
  JSON.stringify(value, (_, field: unknown) => typeof field === "bigint" ? `«${field}»` : field)
    .replaceAll(/"«(-?\d+)»"/g, "$1")
