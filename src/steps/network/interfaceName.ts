/**
 * Names of network interfaces: what is allowed, and temporary ones.
 *
 * @category networks
 * @since 0.1.0
 */

/** The longest name, in bytes: `IFNAMSIZ` without its NUL. */
const longest = 15

/**
 * What is wrong with an interface's name; `undefined` for a good one.
 *
 * The kernel's own rules (`dev_valid_name`), and no `%`: the kernel would read `eth%d` as a pattern and choose a name that
 * runfx does not know.
 */
export const interfaceNameProblem = (name: string): string | undefined => {
  const quoted = JSON.stringify(name)
  if (name === "") return "an interface's name can't be empty"
  if (name === "." || name === "..") return `${quoted} is not allowed as an interface's name`
  const length = new TextEncoder().encode(name).length
  if (length > longest) return `${quoted} has ${length} bytes; an interface's name has ${longest} at most`
  // eslint-disable-next-line no-control-regex
  return /[/:%\s\0]/.test(name) ? `${quoted} contains "/", ":", "%", whitespace or NUL` : undefined
}

/** A name for an interface without a configured one: `veth` and 7 hexadecimal digits of at least 4 random bytes. */
export const temporaryName = (random: Uint8Array): string =>
  `veth${Array.from(random.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 7)}`
