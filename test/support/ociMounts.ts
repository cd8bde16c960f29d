/** Entries of `mounts` in a document, as short calls. */

/** An entry of `mounts`. */
interface OciMount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: ReadonlyArray<string>
}

/** A file system whose source is called as its type. */
export const mount = (destination: string, type: string, ...options: ReadonlyArray<string>): OciMount => ({
  destination,
  type,
  source: type,
  options
})

/** A bind mount. */
export const bind = (source: string, destination: string, ...options: ReadonlyArray<string>): OciMount => ({
  destination,
  type: "bind",
  source,
  options
})
