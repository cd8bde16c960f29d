/**
 * What was found of a host.
 *
 * @category programs
 * @since 0.2.0
 */
/** One thing that a sandbox may need. */
export interface Finding {
  readonly name:
    | "sandbox"
    | "kernel"
    | "privileges"
    | "user namespaces"
    | "ids"
    | "cgroups"
    | "seccomp"
    | "overlay"
    | "memory files"
  /** Whether it can be had. */
  readonly ok: boolean
  /** What was found. */
  readonly found: string
  /** What to do, if it can't be had. */
  readonly remedy?: string
}

/** One that needs a remedy only if it can't be had. */
export const finding = (name: Finding["name"], ok: boolean, found: string, remedy: string): Finding =>
  ok ? { name, ok, found } : { name, ok, found, remedy }
